"""images: pkg/NAME + components -> OCI image in the store."""
