"""media: root tar -> ISO and other bootable files."""
