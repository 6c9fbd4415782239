"""A medium with changed bytes: what is damaged is never read, and the boot stops with the name of the layer."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from media_samples import change

from builder.cluster import lifecycle
from builder.cluster.lifecycle import ClusterPlan
from builder.deadline import Deadline
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.media.contents import LAYERS, contents
from builder.media.inspection import located
from builder.media.verity import BLOCK
from builder.recipe.model import Role

pytestmark = pytest.mark.boot
PLACES = 50

Layers = dict[str, tuple[int, int]]
"""A layer's name -> where it begins on the medium, and its size with its hashes."""


@pytest.fixture
def medium(base_plan: ClusterPlan, tmp_path: Path) -> Path:
    """A copy of the master's medium."""
    return Path(shutil.copy(base_plan.media[Role.MASTER], tmp_path / "medium.iso"))


def layers_of(medium: Path) -> Layers:
    return {path.removeprefix(LAYERS): where for path, where in located(medium).items() if path.endswith(".squashfs")}


@contextmanager
def started(base_plan: ClusterPlan, medium: Path) -> Iterator[Machine]:
    spec = MachineSpec(
        name="t-verity", directory=medium.parent / "m", medium=medium, acceleration=base_plan.acceleration, memory=2048
    )
    machine = Machine.start(spec, leashed=True)
    try:
        yield machine
    finally:
        machine.stop(grace=0)


def test_a_layer_whose_beginning_is_damaged_stops_the_boot_by_its_name(base_plan: ClusterPlan, medium: Path) -> None:
    """The squashfs can't be mounted."""
    name, (start, _) = max(layers_of(medium).items())
    change(medium, start)
    assert name in stopped(base_plan, medium, "root")


def test_a_damaged_program_stops_the_boot_by_its_layers_name(base_plan: ClusterPlan, medium: Path) -> None:
    """All that lies between the beginning and the tables of the layer that has containerd."""
    with_containerd = next(layer for layer in contents(medium).layers if "usr/lib/containerd/containerd" in layer.files)
    name = with_containerd.path.removeprefix(LAYERS)
    start, size = layers_of(medium)[name]
    for place in range(start + BLOCK, start + size * 3 // 4, BLOCK):
        change(medium, place)
    assert name in stopped(base_plan, medium, "damage")


def stopped(base_plan: ClusterPlan, medium: Path, stage: str) -> str:
    """Why the boot stopped."""
    with started(base_plan, medium) as machine:
        told = machine.console().wait_stage(stage, Deadline.after(900), state="failed")
        assert "on the medium is damaged (block" in told.error, told.error
        assert not [each for each in machine.console().stages if each.stage == "ready"]
        return f"{told.name} {told.error}"


@pytest.mark.long
def test_what_changes_while_the_node_runs_is_not_read(base_plan: ClusterPlan, medium: Path) -> None:
    """Of bytes changed at random places each is refused; one in the hash tree with the blocks that it stands for."""
    found, chance = layers_of(medium), random.Random(20261128)
    sizes = {name: size for name, (_, size) in found.items()}
    chosen = chance.choices(list(found), weights=list(sizes.values()), k=PLACES)
    with started(base_plan, medium) as machine:
        lifecycle.booted(machine, 900)
        devices = devices_of(machine)
        assert devices.keys() == found.keys(), "each layer has its device"
        places = [(name, chance.randrange(sizes[name])) for name in chosen]
        data = {name: int(said(machine, f"blockdev --getsize64 {devices[name]}")) for name in found}
        for name, place in places:
            change(medium, found[name][0] + place)
        said(machine, "echo 3 >/proc/sys/vm/drop_caches")
        inside = [(name, place // BLOCK) for name, place in places if place < data[name]]
        read = [each for each in inside if reads(machine, devices[each[0]], each[1])]
        print(f"{len(inside) - len(read)} of {PLACES} refused, {PLACES - len(inside)} among the hashes")
        assert read == [] and len(inside) > PLACES * 3 // 4
        machine.console().wait_stage("damage", Deadline.after(60), state="failed")


def devices_of(machine: Machine) -> dict[str, str]:
    """The device of each layer, by the name of the file below."""
    listed = said(
        machine,
        "for d in /sys/block/dm-*; do for s in $d/slaves/*; do "
        "echo ${d##*/} $(basename $(cat /sys/block/${s##*/}/loop/backing_file)); done; done | sort -u",
    )
    return {file: f"/dev/{device}" for device, file in (line.split()[:2] for line in listed.splitlines())}


def reads(machine: Machine, device: str, block: int) -> bool:
    command = f"dd if={device} of=/dev/null bs={BLOCK} skip={block} count=1 2>/dev/null"
    return machine.shell().run(command, machine.within(60)).code == 0


def said(machine: Machine, command: str) -> str:
    ended = machine.shell().run(command, machine.within(120))
    assert ended.code == 0, f"{command}: {ended.output}"
    return ended.output.strip()
