"""The LinuxKit YAML of a role without a build."""
