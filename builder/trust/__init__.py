"""trust: keys -> signatures; what whoever gets a medium can check it by."""
