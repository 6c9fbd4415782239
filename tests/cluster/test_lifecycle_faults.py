"""What goes wrong around a cluster's machines on this host: real QEMUs and a real switch, with nothing to boot from."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from leftovers import leftovers

from builder.cluster import layout, lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import MASTER, WORKER, Cluster, Hardware, RuntimeFacts
from builder.deadline import Deadline, poll
from builder.errors import BuildError, CheckError, InputError
from builder.machine.machine import Machine
from builder.machine.model import Acceleration
from builder.network.network import Switch
from builder.process import identify

pytest_plugins = ["cluster_fixtures"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(root: Path) -> Iterator[Path]:
    """Whose clusters a failed test leaves to this."""
    yield root
    for name in state.names():
        lifecycle.down(name)


@pytest.fixture
def plan(tmp_path: Path) -> ClusterPlan:
    medium, kubectl = tmp_path / "zeros.iso", tmp_path / "kubectl"
    medium.write_bytes(bytes(1 << 20))
    kubectl.write_text("#!/bin/sh\n")
    return ClusterPlan(
        name="one", media={MASTER: medium, WORKER: medium}, kubectl=kubectl, kubernetes_version="1.36.3",
        runtime=RuntimeFacts(name="toy", socket="unix:///run/toy.sock", checks=()),
        acceleration=Acceleration(name="tcg", reason="test"), hardware=Hardware(memory=128, worker_memory=128), workers=1,
        network=layout.network("10.244.0.0/16", "10.96.0.0/12", host_ranges=True),
    )  # fmt: skip


@pytest.fixture
def cluster(root: Path, plan: ClusterPlan) -> Cluster:
    """Laid out, not started."""
    return lifecycle.create(plan, root / plan.name)


@contextmanager
def started(cluster: Cluster) -> Iterator[dict[str, Machine]]:
    machines = lifecycle.start(cluster)
    yield machines
    for machine in machines.values():
        machine.close()


def reserved(root: Path) -> list[str]:
    return [entry["owner"] for entry in json.loads((root / ".ports" / "ports.json").read_text())]


def gone(cluster: Cluster) -> bool:
    """Whether nothing is left of a cluster: process, socket, file, port."""
    assert leftovers(cluster.directory) == []
    assert not cluster.directory.exists()
    assert reserved(cluster.directory.parent) == []
    return True


def test_a_port_that_was_taken_since_its_reservation_is_named(cluster: Cluster) -> None:
    """The second machine's, so that the first one runs already."""
    port = cluster.nodes[1].ports.http
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", port))
        somebody.listen()
        with pytest.raises(BuildError, match="QEMU could not start the machine one-worker-1") as refused:
            lifecycle.start(cluster)
    assert refused.value.why == f"another program took port {port} of 127.0.0.1"
    assert f"sport = :{port}" in refused.value.hint and "kubeiso down" in refused.value.hint
    assert any("forwarding rule" in line for line in refused.value.details), "QEMU's own words are kept"
    assert not Machine.attach(cluster.nodes[0].directory).alive(), "the one that ran does not run alone"
    with started(cluster) as machines:
        assert [machine.alive() for machine in machines.values()] == [True, True], "the port is free again"
    assert lifecycle.down(cluster.name) == ["one-master-1: quit", "one-worker-1: quit"]
    assert gone(cluster)


STARTER = """
import time
from builder.cluster import lifecycle, state
lifecycle.start(state.load("one"), leashed={leashed})
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("leashed", [False, True])
def test_down_leaves_nothing_of_what_a_killed_program_started(cluster: Cluster, leashed: bool) -> None:
    code = STARTER.format(leashed=leashed)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, env=os.environ) as starter:
        assert starter.stdout and starter.stdout.readline() == b"started\n"
        machines = lifecycle.attach(cluster)
        assert all(machine.alive() for machine in machines.values()) and Switch.attach(cluster.sockets).alive()
        starter.kill()
    if leashed:
        for machine in machines.values():
            machine.wait_ended(Deadline.after(20))
    else:
        assert all(machine.alive() for machine in machines.values()), "they outlive it"
        assert {line.split()[0] for line in leftovers(cluster.directory)} >= {"process", "socket"}, "what is left is seen"
    endings = lifecycle.down(cluster.name)
    assert endings == [f"{node.name}: {'ended before' if leashed else 'quit'}" for node in cluster.nodes]
    assert gone(cluster)


def test_down_after_qemu_and_the_switch_were_killed(cluster: Cluster) -> None:
    with started(cluster) as machines:
        worker, switch = machines["one-worker-1"], Switch.attach(cluster.sockets)
        for pid in (worker.pid, switch.pid):
            assert pid
            os.kill(pid, signal.SIGKILL)
        poll(lambda: None if switch.alive() else True, Deadline.after(10), what="the end of the switch", interval=0.05)
        worker.wait_ended(Deadline.after(10))
    assert lifecycle.down(cluster.name) == ["one-master-1: quit", "one-worker-1: ended before"]
    assert gone(cluster)


def test_what_was_not_laid_out_to_the_end_is_removed(cluster: Cluster) -> None:
    """Whoever made it was killed before it wrote down what it had."""
    (cluster.directory / "cluster.json").unlink()
    assert lifecycle.down(cluster.name) == ["one: was never laid out to the end"]
    assert gone(cluster)


def test_machines_whose_cluster_has_lost_its_file_are_ended(cluster: Cluster, plan: ClusterPlan) -> None:
    """They run, and nothing but their own folders knows of them."""
    with started(cluster) as machines:
        pids = [machine.pid for machine in machines.values()]
    (cluster.directory / "cluster.json").unlink()
    assert state.names() == [cluster.name]
    with pytest.raises(CheckError, match=r"cluster\.json is damaged"):
        state.load(cluster.name)
    with pytest.raises(InputError, match="exists already"):
        lifecycle.create(plan, cluster.directory)
    assert lifecycle.down(cluster.name) == ["one-master-1: quit", "one-worker-1: quit"]
    assert gone(cluster) and all(pid and not identify(pid) for pid in pids)


def test_what_was_not_laid_out_to_the_end_is_no_hindrance(cluster: Cluster, plan: ClusterPlan) -> None:
    (cluster.directory / "cluster.json").unlink()
    again = lifecycle.create(plan, cluster.directory)
    assert again == cluster
    assert all(medium.parent == cluster.directory for medium in again.media.values()), "the media are its own again"


def test_the_lock_of_a_cluster_goes_with_it(root: Path, plan: ClusterPlan) -> None:
    with state.locked(plan.name) as directory:
        lifecycle.create(plan, directory)
    lock = root / ".one.lock"
    assert lock.exists()
    with state.locked(plan.name):
        lifecycle.down(plan.name)
    assert not lock.exists()


def test_a_lock_that_was_removed_while_it_was_opened_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program removed the file, and a third one made it anew."""
    lock = root / ".one.lock"
    real, removed = fcntl.flock, [False]

    def flock(file: IO[str], how: int) -> None:
        if not removed[0]:
            lock.unlink()
            removed[0] = True
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with state.locked("one"):
        assert removed[0] and lock.exists(), "the file that is held is the one that others find"
