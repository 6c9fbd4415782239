"""Media of every format in machines of both firmwares, on every kind of controller: each comes to ready, a disk with a state."""

import http.server
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from boot_helpers import CONSOLES, booted, said, variant

from builder.cluster import lifecycle
from builder.cluster.lifecycle import ClusterPlan
from builder.deadline import Deadline
from builder.machine.machine import Machine
from builder.machine.model import Acceleration, Attachment, Firmware, MachineSpec
from builder.pipeline.build import build
from builder.pipeline.plan import plan as make_plan
from builder.project import Project
from builder.recipe.model import Role
from builder.run import run
from builder.store import Store

pytestmark = pytest.mark.boot

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI
DISKS = ("raw", "qcow2", "vmdk")
NO_DRIVER = ((UEFI, Attachment.LSI), (UEFI, Attachment.PVSCSI))  # in Debian's OVMF; VMware's own firmware has them
# Each format, firmware and controller once; what is left of them all is long.
SHORT = (
    ("iso", UEFI, Attachment.SATA), ("iso", BIOS, Attachment.LSI), ("raw", BIOS, Attachment.NVME),
    ("qcow2", UEFI, Attachment.SCSI), ("vmdk", BIOS, Attachment.PVSCSI),
)  # fmt: skip
LONG = tuple(
    each
    for each in (
        *(("iso", firmware, attachment) for firmware in Firmware for attachment in Attachment),
        *((form, firmware, Attachment.DISK) for form in DISKS for firmware in Firmware),
        ("raw", UEFI, Attachment.USB),
    )
    if each not in SHORT and each[1:] not in NO_DRIVER
)  # fmt: skip

Case = tuple[str, Firmware, Attachment]


@pytest.fixture(scope="module")
def media(out: Path) -> dict[str, Path]:
    """The master's medium in every form, as `kubeiso build --console-login --format` makes it."""
    project = Project.here()
    options = replace(CONSOLES, formats=("iso", *DISKS, "pxe"))
    made = make_plan(project, project.recipes / "cri-containerd.yml", (Role.MASTER,), options)
    return {built.media.format: built.media.path for built in build(project, made, Store(), out, options)}


@pytest.fixture(
    params=[*SHORT, *(pytest.param(case, marks=pytest.mark.long) for case in LONG)], ids=lambda case: "-".join(map(str, case))
)
def running(request: pytest.FixtureRequest, base_plan: ClusterPlan, media: dict[str, Path]) -> Iterator[tuple[Case, Machine]]:
    """The node with its services running."""
    case: Case = request.param
    form, firmware, attachment = case
    plan = replace(base_plan, media={Role.MASTER.value: media[form].absolute()})
    name = f"t-{form}-{firmware.value[0]}{attachment.value[:3]}"
    with booted(variant(plan, name, firmware, attachment)) as (cluster, machines, _):
        yield case, machines[cluster.nodes[0].name]


def test_it_comes_to_ready(running: tuple[Case, Machine]) -> None:
    (form, _, _), machine = running
    kept = said(machine, "awk '$2 == \"/var\" {print $1, $3}' /proc/1/mounts").split()
    if form == "iso":
        assert kept == ["tmpfs", "tmpfs"], "nobody gave it a disk"
        return
    device, kind = kept[-2:]
    assert kind == "ext4"
    assert re.fullmatch(r"/dev/([sv]da|nvme0n1p?)3", device), "the partition that the medium brought"
    assert int(said(machine, "df -m /var | awk 'END {print $2}'")) > 12_000, "MiB of the disk's 16 GiB"


@pytest.mark.long
def test_a_disk_keeps_its_state_and_grows_with_its_disk(base_plan: ClusterPlan, media: dict[str, Path]) -> None:
    """The machine is cut off, its disk made larger, and started again."""
    plan = replace(base_plan, media={Role.MASTER.value: media["qcow2"].absolute()})
    with booted(variant(plan, "t-grows", UEFI, Attachment.DISK)) as (cluster, machines, _):
        (node,) = cluster.nodes
        machine = machines[node.name]
        said(machine, "echo kept > /var/mark; sync")
        machine.stop(grace=0)
        assert machine.spec.overlay
        run(["qemu-img", "resize", "-q", machine.spec.overlay, "24G"])
        machines.update(lifecycle.start(cluster, leashed=True))
        lifecycle.wait_ready(cluster.nodes, machines)
        assert said(machines[node.name], "cat /var/mark") == "kept"
        assert int(said(machines[node.name], "df -m /var | awk 'END {print $2}'")) > 20_000


@pytest.mark.long
def test_a_machine_without_a_disk_boots_over_http(base_plan: ClusterPlan, media: dict[str, Path], tmp_path: Path) -> None:
    """By the network card's own iPXE, from a server on 127.0.0.1; its disk is blank."""
    with tarfile.open(media["pxe"]) as archive:
        archive.extractall(tmp_path / "root", filter="data")
    blank = tmp_path / "blank.raw"
    with blank.open("wb") as file:
        file.truncate(1 << 20)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "root")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            boots_from(server.server_port, blank, base_plan.acceleration, tmp_path / "machine")
        finally:
            server.shutdown()


def boots_from(port: int, blank: Path, acceleration: Acceleration, directory: Path) -> None:
    """10.0.2.2 is this host's 127.0.0.1 for the machine (QEMU, "Using the user mode network stack")."""
    network = f"user,id=boot,bootfile=http://10.0.2.2:{port}/boot.ipxe"
    machine = Machine.start(
        MachineSpec(
            name="t-pxe", directory=directory, medium=blank, attachment=Attachment.DISK, acceleration=acceleration, memory=2048,
            cpus=1,  # with two QEMU 7.2 ran code that the kernel had replaced ("Oops: int3"), two times of two
            extra=("-netdev", network, "-device", "virtio-net-pci,netdev=boot,bootindex=2"),
        ),
        leashed=True,
    )  # fmt: skip
    try:
        console = machine.console()
        console.wait_stage("layers", Deadline.after(600))
        console.wait_stage("ready", Deadline.after(900))
    finally:
        machine.stop(grace=0)
