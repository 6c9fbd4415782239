"""A node whose metadata can't be honoured is up, says why and lets its owner in; corrected metadata and another start heal it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from free_ports import free_ports

from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.machine.cidata import make_cidata
from builder.machine.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.long]

TUNNEL = b"version: 2\nethernets: {eth0: {}}\ntunnels: {he: {mode: sit, local: 192.0.2.10, remote: 192.0.2.11}}\n"
WHOLE = b"version: 2\nethernets: {eth0: {dhcp4: true}}\n"


@pytest.fixture(scope="module")
def cluster(base_plan: ClusterPlan) -> Iterator[Cluster]:
    plan = replace(base_plan, name="t-degraded")
    with state.locked(plan.name) as directory:
        try:
            yield lifecycle.create(plan, directory)
        finally:
            lifecycle.down(plan.name)


@contextmanager
def started(cluster: Cluster, key: Path, network: bytes) -> Iterator[Machine]:
    """The node with that network-config, and with the key in its user-data."""
    (node,) = cluster.nodes
    public = key.with_suffix(".pub").read_bytes()
    user = b"#cloud-config\nhostname: Node-1\nssh_authorized_keys:\n- " + public
    make_cidata({"user-data": user, "network-config": network}, node.directory / "cidata.img")
    machines = lifecycle.start(cluster, leashed=True)
    try:
        yield machines[node.name]
    finally:
        for machine in machines.values():
            machine.stop(grace=0)


def login(machine: Machine, key: Path, command: str) -> str | None:
    """What a command on the node says over SSH; None where SSH doesn't answer."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=20")
    (port,) = free_ports(1)
    with machine.qmp() as qmp:
        qmp.execute("human-monitor-command", **{"command-line": f"hostfwd_add access tcp:127.0.0.1:{port}-:22"})
    words = [word for option in options for word in ("-o", option)]
    argv = ["ssh", "-i", str(key), "-p", str(port), *words, "root@127.0.0.1", command]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return ended.stdout.strip() if ended.returncode == 0 else None


def test_it_is_up_without_its_kubelet_and_heals(cluster: Cluster, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with started(cluster, key, TUNNEL) as machine:
        with pytest.raises(CheckError, match="is degraded") as told:
            lifecycle.wait_ready(cluster.nodes, {cluster.nodes[0].name: machine})
        assert "network-config, line 3, tunnels: this key is not known to a node" in told.value.why
        scale = machine.scale
        ssh = poll(lambda: login(machine, key, "hostname"), Deadline.after(60, scale=scale), what="SSH", interval=5)
        assert ssh == "node-1"
        assert "tunnels" in (login(machine, key, "cat /run/degraded") or "")
        assert "kubelet" not in (login(machine, key, "ctr -n services.linuxkit tasks ls") or "kubelet")
        machine.screendump(tmp_path / "screen.png")
    with started(cluster, key, WHOLE) as machine:
        lifecycle.wait_ready(cluster.nodes, {cluster.nodes[0].name: machine})
        assert "kubelet" in machine.shell().run("ctr -n services.linuxkit tasks ls", machine.within(60)).output
