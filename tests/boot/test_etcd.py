"""Clusters of one master and of three get back the state that a snapshot of their etcd has, despite a power cut."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from boot_helpers import booted, planned

from builder.cli import etcd
from builder.cli.clusters import whole
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import Machines
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.errors import CheckError, InputError
from builder.forming import form
from builder.snapshots.restore import unknown

pytestmark = [pytest.mark.boot, pytest.mark.long]

SWITCHING = '"stage":"etcd","name":"restore","state":"start"'


@dataclass
class Running:
    """A cluster that was seen whole; `scale` follows its last boot."""

    cluster: Cluster
    machines: Machines
    scale: float

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.cluster)

    def note(self, name: str) -> None:
        self.kubectl.text("create", "configmap", name, "-n", "kube-public")

    def notes(self) -> set[str]:
        """The ConfigMaps of ours that the API knows."""
        found = {item["metadata"]["name"] for item in self.kubectl.items("configmaps", "-n", "kube-public")}
        return found - {"cluster-info", "kube-root-ca.crt"}

    def save(self, file: Path) -> None:
        self.let_go()
        etcd.save_to(self.cluster, file, False)

    def restore(self, file: Path) -> None:
        self.let_go()
        etcd.restore_from(self.cluster, file, False, False)

    def let_go(self) -> None:
        """The verbs have the nodes' lines to themselves, as where another program runs them."""
        for machine in self.machines.values():
            machine.close()

    def moved_aside(self) -> list[str]:
        """What each master has of the data before its restores."""
        found = []
        for node in self.cluster.masters:
            machine = self.machines[node.name]
            found.append(machine.shell().run("ls -d /var/lib/etcd/before-*/member", machine.within(60)).output)
        return found

    def start(self) -> None:
        self.machines.update(lifecycle.start(self.cluster, leashed=True))
        self.scale = lifecycle.wait_ready(self.cluster.nodes, self.machines)
        whole(self.cluster, self.machines, self.scale)


@contextmanager
def formed(out: Path, masters: int) -> Iterator[Running]:
    made = planned(out, masters=masters)
    hardware = made.hardware.model_copy(update={"disk": 4096, "memory": 2560})
    with booted(replace(made, name=f"t-etcd-{masters}", hardware=hardware)) as (cluster, machines, scale):
        form.init(cluster, machines, scale)
        form.join(cluster, cluster.nodes[1:], machines, scale)
        found = Running(cluster, machines, scale)
        whole(cluster, machines, scale)
        yield found


def comes_back(running: Running, file: Path) -> None:
    """A snapshot, what happens after it, and the way back."""
    running.note("before")
    running.save(file)
    assert file.stat().st_mode & 0o777 == 0o600 and etcd.given(file)
    running.kubectl.text("delete", "configmap", "before", "-n", "kube-public")
    running.note("after")
    damaged = file.with_suffix(".damaged")
    damaged.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(InputError, match="damaged"):
        running.restore(damaged)
    assert running.notes() == {"after"}
    revision = etcd.revision_of(running.cluster)
    running.restore(file)
    assert revision < etcd.revision_of(running.cluster) < unknown()
    assert running.notes() == {"before"}
    assert all(told.count("/member") == 1 for told in running.moved_aside())
    running.note("goes-on")


def test_three_masters(out: Path, tmp_path: Path) -> None:
    with formed(out, 3) as running:
        comes_back(running, tmp_path / "three.db")
        members = running.kubectl.items("pods", "-n", "kube-system", "-l", "component=etcd")
        assert len(members) == 3


@pytest.fixture(scope="module")
def alone(out: Path) -> Iterator[Running]:
    with formed(out, 1) as running:
        yield running


def test_one_master(alone: Running, tmp_path: Path) -> None:
    comes_back(alone, tmp_path / "one.db")


def test_a_power_cut_while_it_is_restored_ends_in_the_new(alone: Running, tmp_path: Path) -> None:
    file = tmp_path / "cut.db"
    alone.save(file)
    known = alone.notes()
    alone.note("lost")
    with cutting(alone), suppress(CheckError):
        alone.restore(file)
    alone.start()
    assert alone.notes() == known
    assert all(told.count("/member") == 2 for told in alone.moved_aside())


@contextmanager
def cutting(running: Running) -> Iterator[None]:
    """The power of the one machine goes as soon as it has begun to exchange its data."""
    (machine,) = running.machines.values()
    seen = machine.spec.console_log.read_text(errors="replace").count(SWITCHING)

    def cut() -> None:
        log = machine.spec.console_log
        poll(
            lambda: log.read_text(errors="replace").count(SWITCHING) > seen or None,
            Deadline.after(900), what="the exchange", interval=0.2,
        )  # fmt: skip
        if machine.pid:
            os.kill(machine.pid, signal.SIGKILL)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        machine.stop(grace=0)
