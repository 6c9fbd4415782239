"""Ports of a node that the machine's user-mode card leads to."""

API_PORT = 6443
NODE_PORT = 30002
"""Where the acceptance suite's nginx is."""
CLOSED_PORT = 30999
"""A NodePort that nobody serves: the negative control."""
