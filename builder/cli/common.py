"""What the verbs share: options, the choice of a sink for progress, results for people or for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from builder import progress
from builder.cli.completion import clusters, recipes
from builder.errors import InputError
from builder.project import Project
from builder.reading.words import did_you_mean
from builder.store import Store

DEFAULT_RUNTIME = "cri-containerd"
SOURCES = {"auto": "auto", "release": "release", "modules": "golang"}
"""The words for the sources of components, and what the components' descriptions call them."""

Runtime = Annotated[
    str | None,
    typer.Option("--runtime", "-r", help=f"Takes recipes/NAME.yml (default {DEFAULT_RUNTIME}).", autocompletion=recipes),
]
Recipe = Annotated[Path | None, typer.Option("--recipe", help="Takes this recipe file instead.")]
Json = Annotated[bool, typer.Option("--json", help="Results and progress as JSON, for machines.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Shows every command that is run.")]
Offline = Annotated[bool, typer.Option("--offline", help="Fetches nothing: takes the cache alone.")]
SourceName = Annotated[
    str, typer.Option("--source", help=f"Of components that have several: {', '.join(SOURCES)} (auto: each in its order).")
]  # fmt: skip
Overrides = Annotated[
    list[str] | None,
    typer.Option("--component", metavar="NAME=PATH", help="Takes a component (or NAME/FILE) from your own file or folder."),
]
KubernetesDir = Annotated[
    Path | None,
    typer.Option(
        "--kubernetes-dir", metavar="DIR",
        help="Takes your own build of Kubernetes: a clone, or its _output/bin. Programs that it lacks are the pinned release's.",
    ),
]  # fmt: skip
Values = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for the recipe: {{ values.NAME }}.")
]
Out = Annotated[Path, typer.Option("--out", help="Where results go.")]
Name = Annotated[str, typer.Option("--name", help="The cluster's name.", autocompletion=clusters)]
Nodes = Annotated[int, typer.Option("--nodes", "-n", min=1, help="How many nodes, masters included.")]
Masters = Annotated[int, typer.Option("--masters", min=1, help="How many of them are masters; the others are workers.")]
Memory = Annotated[int, typer.Option("--memory", min=1800, help="Memory of a master, MiB.")]
WorkerMemory = Annotated[int, typer.Option("--worker-memory", min=1024, help="Memory of a worker, MiB.")]
Disk = Annotated[int, typer.Option("--disk", min=0, help="A disk for each node's state, MiB; 0: it runs from memory.")]


def say(text: str) -> None:
    """To people, on standard error: results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def choose_sink(as_json: bool, verbose: bool = False) -> None:
    """Live progress on a terminal, plain lines elsewhere, JSON lines for machines."""
    sink: progress.Sink
    if as_json:
        sink = progress.JsonLines()
    elif sys.stderr.isatty():
        from builder.cli.terminal import Terminal  # rich, which nobody else wants

        sink = Terminal(verbose)
    else:
        sink = progress.Lines(verbose=verbose)
    progress.use(sink)


def show(result: Mapping[str, Any], text: str, as_json: bool) -> None:
    """The result on standard output."""
    print(json.dumps(result, indent=1, sort_keys=True, default=str) if as_json else text)


def recipe_path(project: Project, runtime: str | None, recipe: Path | None) -> Path:
    """The recipe that --runtime or --recipe means."""
    if recipe is not None:
        if runtime is not None:
            raise InputError("--runtime and --recipe are given together", hint="give one of them")
        return recipe
    name = runtime or DEFAULT_RUNTIME
    known = sorted(other.stem for other in project.recipes.glob("*.yml"))
    if name not in known:
        near, every = did_you_mean(name, known), f"known are: {', '.join(known) or 'none'}"
        raise InputError(f"there is no recipe for the runtime {name}", hint="  ".join(filter(None, (near, every))))
    return project.recipes / f"{name}.yml"


def pairs(option: str, given: Sequence[str] | None, *, empty: bool = False) -> dict[str, str]:
    """NAME=VALUE words as a mapping; with `empty` a value may be."""
    found = {}
    for word in given or ():
        name, equals, value = word.partition("=")
        if not (name and equals and (value or empty)):
            raise InputError(f"{option} {word!r} is not NAME=VALUE", hint=f"such as {option} name=value")
        found[name] = value
    return found


def out_folder(out: Path) -> Path:
    """The folder for results, made where it is not there. Raises InputError where it can't be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"results can't go to {out}", why=str(error), hint="choose another folder with --out") from error
    return out


def open_store() -> Store:
    return Store()
