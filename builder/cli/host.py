"""The verbs about this machine: doctor and boot."""

import typer

app = typer.Typer()
