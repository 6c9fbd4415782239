"""The verb for a node's own configuration: config check and config create."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from builder.aside import write_new
from builder.cli.common import Json, Offline, choose_sink, open_store, say, show
from builder.errors import InputError
from builder.machine.cidata import make_cidata
from builder.pipeline.guestinfo import SUFFIX, values
from builder.pipeline.nodeconfig import Verdict, laid_out, put_together, read_as_node
from builder.project import Project

app = typer.Typer()


class Action(StrEnum):
    CHECK = "check"
    CREATE = "create"


def _file(option: str, name: str) -> object:
    return typer.Option(option, metavar="PATH", help=f"create: a file that becomes {name}.")


@app.command(
    epilog="Examples:  kubeiso config check node1/\n\n           kubeiso config check seed.iso"
    "\n\n           kubeiso config create node1.iso --hostname node1 --ssh-key ~/.ssh/id_ed25519.pub --network-config net.yml"
    "\n\n           kubeiso config create node1.guestinfo --hostname node1 --user-data user.yml"
)
def config(
    action: Annotated[Action, typer.Argument(help="check: what a node would make of FILE; create: writes it.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A volume or NAME.guestinfo; to check, a folder or user-data, too.")
    ],
    hostname: Annotated[str, typer.Option("--hostname", help="create: the node's name.")] = "",
    ssh_key: Annotated[
        list[Path] | None,
        typer.Option("--ssh-key", metavar="PATH", help="create: a file of public SSH keys; several of them."),
    ] = None,
    user_data: Annotated[Path | None, _file("--user-data", "user-data")] = None,
    meta_data: Annotated[Path | None, _file("--meta-data", "meta-data")] = None,
    network_config: Annotated[Path | None, _file("--network-config", "network-config")] = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Checks a node's own configuration (NoCloud's files) with the node's own program, or makes a volume of it.

    The volume has the label cidata; attach it to the machine, or write it to a stick. NAME.guestinfo has the values for VMware:
    govc vm.change -vm node1 $(sed 's/^/-e /' node1.guestinfo). Mistakes are told before anything is written.
    """
    choose_sink(as_json)
    given = {"user-data": user_data, "meta-data": meta_data, "network-config": network_config}
    if action is Action.CHECK:
        _demand_none({"--hostname": hostname, "--ssh-key": ssh_key, **{f"--{name}": path for name, path in given.items()}})
        verdict = check(file, offline)
    else:
        files = {name: path for name, path in given.items() if path}
        verdict = create(file, put_together(hostname, tuple(_keys(ssh_key or [])), files), offline)
    result = {"file": str(file), "node": verdict.summary, "warnings": verdict.warnings}
    show(result, f"{file}: what a node finds: {verdict.summary}", as_json)


def check(file: Path, offline: bool) -> Verdict:
    """Raises InputError with all that a node can't honour."""
    with laid_out(file) as folder:
        verdict = read_as_node(folder, Project.here(), open_store(), offline=offline)
    for text in verdict.warnings:
        say(f"warning: {text}")
    if verdict.faults:
        hint = "a node with it comes up degraded: without its kubelet"
        raise InputError(f"{file}: a node can't honour all of it", details=verdict.faults, hint=hint)
    return verdict


def create(file: Path, files: dict[str, bytes], offline: bool) -> Verdict:
    """Writes the volume, or guestinfo's values, when a node can honour it."""
    if file.exists():
        raise InputError(f"{file} is there already", hint="take another name, or remove it first")
    with TemporaryDirectory(prefix="kubeiso-") as work:
        folder = Path(work) / file.name
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        made = values(files) if file.suffix == SUFFIX else b""
        verdict = check(folder, offline)
    if file.suffix == SUFFIX:
        write_new(file, made, 0o600)
    else:
        make_cidata(files, file)
    return verdict


def _keys(files: list[Path]) -> list[str]:
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _demand_none(given: dict[str, object]) -> None:
    if wrong := [option for option, value in given.items() if value]:
        raise InputError(f"{', '.join(wrong)}: of config create alone", hint="config check takes what is there")
