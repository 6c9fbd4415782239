"""kubeiso: immutable Kubernetes node images with LinuxKit, and clusters made of them."""
