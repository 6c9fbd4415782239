"""spec: Recipe + components + images -> ImageSpec, everything decided."""
