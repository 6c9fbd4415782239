"""snapshots: Cluster -> the state of its etcd in a file, and back."""
