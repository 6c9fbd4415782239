"""forming: Machines -> a cluster that kubeadm made."""
