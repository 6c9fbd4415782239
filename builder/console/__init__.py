"""console: a serial console's bytes -> stages, a root shell, files."""
