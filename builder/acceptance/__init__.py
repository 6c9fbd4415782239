"""acceptance: Cluster -> Report."""
