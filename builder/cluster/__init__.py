"""cluster: Machines -> Cluster."""
