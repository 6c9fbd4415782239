"""The verbs about this machine: doctor and boot."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from builder.cli.common import Json, Verbose, choose_sink, open_store, say, show
from builder.cli.session import session
from builder.errors import ToolMissing
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware, MachineSpec
from builder.machine.secureboot import demand_keys
from builder.media.inspection import demand_own
from builder.pipeline.doctor import Finding, State, examine, probed
from builder.pipeline.tools import RUN_TOOLS, demand
from builder.project import Project

app = typer.Typer()


@app.command(epilog="Example:  kubeiso doctor")
def doctor(
    probe: Annotated[bool, typer.Option(help="Boots a small machine to find out whether KVM works.")] = True,
    as_json: Json = False,
) -> None:
    """Tells what this host can do, what is missing and how to get it; exit code 3 when something is missing."""
    choose_sink(as_json)
    findings = examine(Project.here(), open_store(), probe=probe)
    show({"findings": [asdict(finding) for finding in findings]}, "\n".join(map(_told, findings)), as_json)
    missing = [finding for finding in findings if finding.state is State.MISSING]
    if missing:
        hints = tuple(f"{finding.name}: {finding.hint}" for finding in missing)
        raise ToolMissing(f"{len(missing)} things that kubeiso needs are missing here", details=hints, hint="make setup")


def _told(finding: Finding) -> str:
    line = f"{finding.state.value:8} {finding.name:20} {finding.what}"
    return line if finding.state is State.OK else f"{line}\n{'':8} needed for: {finding.needed_for}; {finding.hint}"


def usual(file: Path) -> Attachment:
    """How a medium is attached where nobody says it."""
    return Attachment.CDROM if file.suffix == ".iso" else Attachment.DISK


@app.command(epilog="Example:  kubeiso boot out/kubeiso-cri-containerd-master.iso --firmware uefi")
def boot(
    file: Annotated[Path, typer.Argument(help="An ISO or a disk (raw, qcow2, vmdk) that kubeiso made.")],
    firmware: Annotated[Firmware, typer.Option("--firmware", help="What the machine boots with.")] = Firmware.BIOS,
    attach: Annotated[
        Attachment | None, typer.Option("--attach", help="How the file is attached; an ISO as a CD, a disk as a disk.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--secureboot-keys", metavar="DIR", help="UEFI that starts only what this folder's db.key signed."),
    ] = None,
    memory: Annotated[int, typer.Option("--memory", min=512, help="MiB.")] = 3072,
    cpus: Annotated[int, typer.Option("--cpus", min=1)] = 2,
    verbose: Verbose = False,
) -> None:
    """Boots one machine with its console in this terminal; it ends when the terminal leaves it."""
    choose_sink(False, verbose)
    if keys:
        firmware = Firmware.UEFI
        demand_keys(keys)
    store = open_store()
    demand_own(file, store)
    demand(RUN_TOOLS)
    with TemporaryDirectory(prefix="kubeiso-") as directory:
        spec = MachineSpec(
            name=file.stem[:40], directory=Path(directory), medium=file, firmware=firmware, attachment=attach or usual(file),
            acceleration=probed(Project.here(), store), memory=memory, cpus=cpus, outbound=True, keys=keys,
        )  # fmt: skip
        machine = Machine.start(spec, leashed=True)
        try:
            machine.close()
            session(spec.console_socket, spec.console_lock)
        finally:
            say(f"the machine ended: {machine.stop(grace=0).how}")
