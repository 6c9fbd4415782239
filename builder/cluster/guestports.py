"""Ports of a node that the machine's user-mode card leads to."""

API_PORT = 6443
BALANCED_PORT = 7443
"""On each node's own 127.0.0.1: the way to any API server, where there are several masters (pkg/api-balancer)."""
NODE_PORT = 30002
"""Where the acceptance suite's nginx is."""
CLOSED_PORT = 30999
"""A NodePort that nobody serves: the negative control."""
