"""linuxkit: ImageSpec -> Document -> LinuxKit YAML."""
