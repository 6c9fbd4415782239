"""The verb new: a recipe to start from."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from builder.aside import write_new
from builder.cli.common import Json, Runtime, recipe_path, show
from builder.errors import InputError
from builder.project import Project

app = typer.Typer()


@app.command(epilog="Examples:  kubeiso new my.yml\n\n           kubeiso new lab/node.yml --runtime cri-containerd")
def new(
    recipe: Annotated[Path, typer.Argument(help="The recipe file to write; it must not be there yet.")],
    runtime: Runtime = None,
    as_json: Json = False,
) -> None:
    """Writes a commented recipe to start from."""
    source = recipe_path(Project.here(), runtime, None)
    if recipe.suffix not in (".yml", ".yaml"):
        raise InputError(f"{recipe} is no name for a recipe", hint=f"such as {recipe.with_suffix('.yml')}")
    try:
        recipe.parent.mkdir(parents=True, exist_ok=True)
        write_new(recipe, source.read_bytes())
    except FileExistsError as error:
        raise InputError(f"{recipe} is there already", hint="take another name, or remove it first") from error
    except NotADirectoryError as error:
        raise InputError(f"{recipe} can't be written", why=str(error), hint="take another name") from error
    name = shlex.quote(str(recipe))
    text = f"{recipe} is written.  next: kubeiso check {name}; kubeiso build --recipe {name}"
    show({"recipe": str(recipe), "from": source.stem}, text, as_json)
