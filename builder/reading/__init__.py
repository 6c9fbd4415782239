"""reading: YAML that people write -> values with their places -> a model, or every mistake at once in plain words."""
