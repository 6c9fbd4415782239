"""A node whose recipe requires a state disk: it waits, makes a blank one its own when that is plugged in, and keeps it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import planned, said, shown

from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.machine.disk import SMALLEST
from builder.machine.machine import Machine
from builder.machine.model import Attachment
from builder.project import Project

pytestmark = [pytest.mark.boot, pytest.mark.long]

WAITING = "waiting for this node's state disk: an ext4 file system labelled KUBEISO_STATE, or a blank disk of at least 1024 MiB"


@pytest.fixture(scope="module")
def plan(out: Path, tmp_path_factory: pytest.TempPathFactory) -> ClusterPlan:
    """A machine with a USB controller, to which a disk can be plugged in."""
    recipe = tmp_path_factory.mktemp("recipe") / "required.yml"
    text = (Project.here().recipes / "cri-containerd.yml").read_text()
    recipe.write_text(text.replace("  need: optional", "  need: required\n  format: blank"))
    made = planned(out, recipe=recipe)
    hardware = made.hardware.model_copy(update={"attachment": Attachment.USB})
    return replace(made, name="t-required", hardware=hardware)


@pytest.fixture(scope="module")
def machine(plan: ClusterPlan) -> Iterator[Machine]:
    """Started without a disk."""
    with state.locked(plan.name) as directory:
        cluster = lifecycle.create(plan, directory)
        machines = lifecycle.start(cluster, leashed=True)
        try:
            yield machines[_first(cluster)]
        finally:
            for each in machines.values():
                each.stop(grace=0)
            lifecycle.down(plan.name)


def _first(cluster: Cluster) -> str:
    return cluster.nodes[0].name


def comes(text: str, machine: Machine, begin: int = 0) -> Callable[[], bool | None]:
    """A look whether the text is on the console by now, after so many characters."""
    return lambda: True if text in shown(machine)[begin:] else None


def within(machine: Machine, seconds: float) -> Deadline:
    return Deadline.after(seconds * (30 if machine.spec.acceleration.name == "tcg" else 3))


def test_it_waits_and_says_what_it_sees(machine: Machine) -> None:
    poll(comes(WAITING, machine), within(machine, 10), what="the node says that it waits")
    poll(comes(WAITING, machine, shown(machine).rindex(WAITING) + 1), within(machine, 10), what="it says so again")
    told = shown(machine)
    assert "which the recipe requires" in told
    assert "iso9660" in told, "what the medium is, in libblkid's words"
    assert '"stage":"ready"' not in told and "kubelet" not in told


def test_a_blank_disk_that_is_plugged_in_becomes_the_state_disk(machine: Machine) -> None:
    path = machine.spec.directory / "late.img"
    path.touch(mode=0o600)
    os.truncate(path, (SMALLEST + 100) << 20)
    with machine.qmp() as qmp:
        qmp.execute("blockdev-add", driver="raw", node_name="late", file={"driver": "file", "filename": str(path)})
        qmp.execute("device_add", driver="usb-storage", id="late", drive="late")
    poll(comes("it becomes this node's state disk", machine), within(machine, 10), what="the node takes the disk")
    lifecycle.booted(machine, within(machine, 20).seconds)
    assert "ext4" in said(machine, "grep ' /var ' /proc/mounts", 60)
    said(machine, "echo kept >/var/lib/kept && sync", 60)


def test_the_next_boot_finds_it_as_it_was(machine: Machine) -> None:
    begin = len(shown(machine))
    machine.reset()
    lifecycle.booted(machine, within(machine, 30).seconds)
    assert said(machine, "cat /var/lib/kept", 60) == "kept"
    assert "it becomes this node's state disk" not in shown(machine)[begin:]


def test_a_node_whose_disk_is_full_comes_up_and_can_be_freed(machine: Machine) -> None:
    """Even where its images have to be looked through, as after a change of the medium."""
    said(machine, "rm /var/lib/containerd/kubeiso-images; dd if=/dev/zero of=/var/filler bs=64k 2>/dev/null; sync", 120)
    assert said(machine, "df /var | awk 'END { print $4 }'", 30) == "0"
    machine.reset()
    machine.console().wait_stage("ready", within(machine, 40))
    print("degraded:", machine.console().degraded())
    assert said(machine, "cat /var/lib/kept", 60) == "kept"
    said(machine, "rm /var/filler && sync", 60)
    machine.reset()
    lifecycle.booted(machine, within(machine, 30).seconds)
    assert said(machine, "cat /var/lib/kept && cat /var/lib/containerd/kubeiso-images | wc -l", 60).split() == ["kept", "1"]
