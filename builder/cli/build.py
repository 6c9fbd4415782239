"""The verbs that make things: check, render, build, clean."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.building import build_options, demand_tools, roles
from builder.cli.common import (
    Json,
    KubernetesDir,
    Overrides,
    Recipe,
    Runtime,
    Values,
    choose_sink,
    open_store,
    out_folder,
    pairs,
    recipe_path,
    show,
)
from builder.cli.options import How, SecureBootCertificate, SecureBootKey, Told, Which, secure, signer, spread
from builder.errors import CheckError, InputError
from builder.media.make import MAKERS, makers
from builder.moment import moment
from builder.pipeline import twice
from builder.pipeline.build import build as make_media
from builder.pipeline.model import Plan
from builder.pipeline.plan import judged
from builder.pipeline.plan import plan as make_plan
from builder.pipeline.render import render as render_yaml
from builder.pipeline.tools import MEDIA_TOOLS
from builder.pipeline.twice import Difference
from builder.progress import note
from builder.project import Project
from builder.provenance.model import Built
from builder.reading.mistake import counted
from builder.recipe.model import Role
from builder.recipe.reference import explained, keys, table, text
from builder.recipe.schema import schema

app = typer.Typer()
RoleOption = Annotated[str, typer.Option("--role", help="master, worker or all.")]


def _tell_keys(name: str | None, as_json: bool) -> None:
    """The key of that name and what is in it; the table of all where none is named."""
    known = explained(name) if name else keys()
    show({"keys": [key.model_dump() for key in known]}, "\n\n".join(map(text, known)) if name else table().rstrip(), as_json)


@app.command(epilog="Examples:  kubeiso check recipes/cri-containerd.yml   kubeiso check --explain network.pod_subnet")
def check(
    recipe: Annotated[Path | None, typer.Argument(help="The recipe file.")] = None,
    print_schema: Annotated[bool, typer.Option("--schema", help="Prints the JSON schema of recipes.")] = False,
    explain: Annotated[str | None, typer.Option(metavar="KEY", help="Tells a key's meaning, type and default.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Prints all keys as a table in Markdown.")] = False,
    values: Values = None,
    as_json: Json = False,
) -> None:
    """Tells every mistake of a recipe at once, each with its place; or what there is to know of its keys."""
    if print_schema:
        print(json.dumps(schema(), indent=1))
        return
    choose_sink(as_json)
    if explain or reference:
        _tell_keys(explain, as_json)
        return
    if recipe is None:
        raise InputError("no recipe is given", hint="kubeiso check recipes/cri-containerd.yml")
    found_out = judged(Project.here(), recipe, pairs("--set", values, empty=True))
    mistakes = found_out.mistakes
    for line in found_out.advice:
        note(line)
    if as_json or not mistakes:
        result = {"recipe": str(recipe), "mistakes": [asdict(mistake) for mistake in mistakes], "advice": found_out.advice}
        show(result, f"{recipe}: no mistakes", as_json)
    if mistakes and as_json:
        raise typer.Exit(InputError.exit_code)
    if mistakes:
        found = tuple(mistake.located(str(recipe)) for mistake in mistakes)
        raise InputError(f"{recipe} has {counted(mistakes)}", details=found, hint=f"correct it, then: kubeiso check {recipe}")


@app.command(epilog="Example:  kubeiso render --runtime cri-containerd --role master > node.yml")
def render(
    runtime: Runtime = None,
    recipe: Recipe = None,
    role: Annotated[str | None, typer.Option("--role", help="master, worker or all (default: master, if any).")] = None,
    component: Overrides = None,
    kubernetes_dir: KubernetesDir = None,
    values: Values = None,
    console_login: Annotated[bool, typer.Option("--console-login", help="As for test builds.")] = False,
) -> None:
    """Prints the LinuxKit YAML; builds nothing. What was built before is pinned by digest, the rest goes by tag."""
    choose_sink(False)
    project = Project.here()
    options = build_options(
        assembler="auto", offline=True, overrides=component, kubernetes_dir=kubernetes_dir, values=values,
        console_login=console_login,
    )  # fmt: skip
    plan = make_plan(project, recipe_path(project, runtime, recipe), roles(role) if role else None, options)
    chosen = None if role else Role.MASTER if Role.MASTER in plan.needs else next(iter(plan.needs))
    print(render_yaml(project, plan, chosen, open_store(), options.overrides), end="")


@app.command(
    epilog="Examples:  kubeiso build --runtime cri-containerd --role master\n\n           kubeiso build --recipe my.yml --offline"
    "\n\n           kubeiso build --kubernetes-dir ~/src/kubernetes --offline"
    "\n\n           kubeiso build --secureboot-key keys/db.key --sign-key keys/sign.key --format iso,uki"
)
@spread
def build(
    which: Which,
    how: How,
    told: Told,
    role: RoleOption = "all",
    console_login: Annotated[
        bool, typer.Option("--console-login", help="A root shell without a password on the consoles: for tests only.")
    ] = False,
    key: SecureBootKey = None,
    certificate: SecureBootCertificate = None,
    sign: Annotated[
        Path | None, typer.Option("--sign-key", metavar="FILE", help="Signs each file with this secret key of minisign.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Builds all once more, from the sources and in other circumstances, and compares.")
    ] = False,
    formats: Annotated[str, typer.Option("--format", help=f"Of {', '.join(MAKERS)}; several with commas.")] = "",
) -> None:
    """Makes the media of a recipe under out/, each with its YAML, checksum, SBOM and build record."""
    choose_sink(told.as_json, told.verbose)
    project, wanted = Project.here(), tuple(word.strip() for word in formats.split(",") if word.strip())
    options = replace(
        how.options(console_login=console_login), formats=wanted, secure=secure(key, certificate), sign=signer(sign)
    )
    if verify and (options.secure or options.sign):
        raise InputError("--verify compares what is not signed", why="a signature has its time in it", hint="leave the keys out")
    makers(wanted)
    moment()  # a mistake in it is told before any work
    plan = make_plan(project, which.path, roles(role), options)
    demand_tools(options, (*MEDIA_TOOLS, *(("sbsign",) if options.secure else ()), *(("minisign",) if sign else ())))
    built = make_media(project, plan, open_store(), out_folder(how.out), options)
    differences = _again(plan, project, how.out) if verify else []
    result = {"media": [_told(one) for one in built], "differences": [asdict(each) for each in differences]}
    same = ["the second build gave the same bits"] if verify and not differences else []
    show(result, "\n".join([*map(_line, built), *same]), told.as_json)
    if differences:
        what = f"{len(differences)} files of the second build, kept in {how.out / twice.AGAIN}, are not the same"
        raise CheckError(what, details=twice.told(differences), hint="what differs says by what the build can be told apart")


def _again(plan: Plan, project: Project, out: Path) -> list[Difference]:
    words = [word for word in sys.argv[1:] if word != "--verify"]
    return twice.again(words, plan, project, open_store(), out)


def _told(one: Built) -> dict[str, object]:
    media, version = one.media, one.spec.kubernetes_version
    path, size, checksum = str(media.path), media.size, media.sha256
    return {"role": one.role, "file": path, "size": size, "sha256": checksum, "id": one.spec.id, "kubernetes": version}


def _line(one: Built) -> str:
    return f"{one.media.path}  {one.media.size / 1e6:.0f} MB  {one.media.sha256}  Kubernetes v{one.spec.kubernetes_version}"


@app.command(epilog="Example:  kubeiso clean --unused 7")
def clean(
    unused: Annotated[int | None, typer.Option(min=1, metavar="DAYS", help="Only what no run used in so many days.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="What Go keeps too: its modules and its build cache.")] = False,
    as_json: Json = False,
) -> None:
    """Empties the cache and tells how much room that gave."""
    if unused and everything:
        raise InputError("--unused and --all exclude each other", hint="--all takes what Go keeps, whenever it was used")
    freed = open_store().clean(everything=everything, unused=(unused or 0) * 86400.0)
    show({"freed_bytes": freed}, f"freed {freed / 1e6:.0f} MB", as_json)
