"""stores: the images for pods -> the store of a container runtime in which they lie unpacked, as one more image."""
