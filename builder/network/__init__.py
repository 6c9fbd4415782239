"""network: what connects machines to one another and to this host, without root."""
