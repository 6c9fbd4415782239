"""The verb for keys: keys create."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.common import Json, choose_sink, show
from builder.pipeline.tools import demand

app = typer.Typer()


class Action(StrEnum):
    CREATE = "create"


@app.command(epilog="Example:  kubeiso keys create keys --name acme")
def keys(
    action: Annotated[Action, typer.Argument(help="create: makes new keys in FOLDER.")],  # noqa: ARG001 - it is the only one
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where they go; it may not be there yet.")],
    name: Annotated[str, typer.Option("--name", help="What the certificates' subjects begin with.")] = "kubeiso",
    days: Annotated[int, typer.Option("--days", min=1, help="How long the certificates are valid.")] = 3650,
    as_json: Json = False,
) -> None:
    """Makes keys: for Secure Boot, in all forms that firmware takes, and one that signs files."""
    choose_sink(as_json)
    from builder.trust.platformkeys import create  # cryptography, which few verbs want

    demand(("minisign", "sbsiglist", "sbvarsign"))
    made = create(folder, name, days)
    show({"files": [str(path) for path in made]}, "\n".join(map(str, made)), as_json)
