"""cli: one verb for each thing that a person wants; the only place that prints results and exits."""

from builder.cli.app import main

__all__ = ["main"]
