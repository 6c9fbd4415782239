"""`python -m builder` is `kubeiso`."""

from builder.cli import main

main()
