"""components: name + version -> files by digest, each from the first of its sources that answers."""
