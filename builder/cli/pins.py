"""The verbs about pins: lock, kubernetes."""

import re
from typing import Annotated

import typer

from builder.cli.common import Json, choose_sink, open_store, show
from builder.components.model import Lock
from builder.errors import InputError
from builder.pipeline.pins import Pinned, add_kubernetes, available, pinned_kubernetes, read_lock, update_lock
from builder.progress import note
from builder.project import Project

app = typer.Typer()

FULL = re.compile(r"v?(1\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")


@app.command(epilog="Examples:  kubeiso lock --update   kubeiso lock --add kubernetes=1.36.4")
def lock(
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Takes the newest packages of the suite and the releases' checksums, writes the lock anew, tells what changed.",
        ),
    ] = False,
    add: Annotated[
        str | None,
        typer.Option(metavar="kubernetes=VERSION", help="Pins a further Kubernetes: its Go modules, by Go's checksum database."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows the pins of components.lock, or renews them; or pins a further version of Kubernetes."""
    choose_sink(as_json)
    project = Project.here()
    if add is not None:
        made = [str(path) for path in add_kubernetes(_version(add), project, open_store())]
        note("the checksums of its release's files come with `kubeiso lock --update`; from Go modules it can be built now")
        show({"folders": made}, "\n".join(made), as_json)
        return
    pins = update_lock(project, open_store()) if update else read_lock(project)
    show(pins.model_dump(mode="json"), "\n".join(_lines(pins)), as_json)


def _lines(pins: Lock) -> list[str]:
    lines = [f"{name:32} {package.version}" for name, package in sorted(pins.packages.items())]
    lines += [f"{name:32} {url}  {pin.digest}" for name, found in sorted(pins.releases.items()) for url, pin in found.items()]
    return [f"suite {pins.suite}, {len(pins.packages)} packages", *lines]


def _version(given: str) -> str:
    name, _, version = given.partition("=")
    found = FULL.fullmatch(version)
    if name != "kubernetes" or not found:
        hint = "kubeiso lock --add kubernetes=1.36.4   (kubeiso kubernetes --available lists what there is)"
        raise InputError(f"--add {given} names no version of Kubernetes", hint=hint)
    return found[1]


@app.command(epilog="Examples:  kubeiso kubernetes   kubeiso kubernetes --available")
def kubernetes(
    released: Annotated[
        bool, typer.Option("--available", help="Every release that Go's module proxy knows, whether it has pins or not.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lists the versions of Kubernetes that a recipe can name, and what comes with each."""
    choose_sink(as_json)
    if released:
        versions = available(open_store())
        show({"available": versions}, "\n".join(versions), as_json)
        return
    found = pinned_kubernetes(Project.here())
    show({"pinned": [each.model_dump(mode="json") for each in found]}, "\n".join(map(_row, found)), as_json)


def _row(one: Pinned) -> str:
    marks = [
        word for word, holds in (("the default", one.default), ("without Kubernetes' own tests", not one.conformance)) if holds
    ]
    deployed = ", ".join(f"{name} {version}" for name, version in one.deploys.items())
    return f"{one.version:9} {deployed}" + (f"   ({', '.join(marks)})" if marks else "")
