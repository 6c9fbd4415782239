"""A master whose clock goes on by years while it lies switched off, and by months while it runs."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from boot_helpers import booted, planned
from cryptography import x509

from builder.checks import Engine
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.machines import machine_spec
from builder.cluster.model import Cluster
from builder.deadline import poll
from builder.forming import form
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.network.network import Switch

pytestmark = [pytest.mark.boot, pytest.mark.long]

YEAR = timedelta(days=365)
ASLEEP = timedelta(days=500)
"""For which the node lies switched off: all of its certificates have ended."""
RUNNING = timedelta(days=300)
"""By which its clock then goes on while it runs: they have a sixth of their year left."""
ALL = 11
"""Certificates that kubeadm made on a first master."""


@dataclass
class Master:
    """The one node; `clock` is by how much its clock is ahead of this host's."""

    cluster: Cluster
    machine: Machine
    clock: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock

    def run(self, command: str, seconds: float = 60) -> str:
        """What a command says in the kubelet's service, whose kubeconfig is the administrator's."""
        inside = f"ctr -n services.linuxkit tasks exec --exec-id look kubelet {command}"
        ended = self.machine.shell().run(inside, self.machine.within(seconds))
        assert ended.code == 0, f"{command}: {ended.output}"
        return ended.output

    def served_until(self) -> datetime:
        """The end of the certificate that the API server answers with."""
        port = self.cluster.nodes[0].ports.api
        pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc

    def told(self, text: str) -> bool:
        return text in self.machine.spec.console_log.read_text(errors="replace")

    def comes(self, command: str, wanted: str, seconds: float = 120) -> None:
        """The command's output has the text by then."""

        def look() -> bool | None:
            ended = self.machine.shell().run(
                f"ctr -n services.linuxkit tasks exec --exec-id look kubelet {command}", self.machine.within(60)
            )
            return True if ended.code == 0 and wanted in ended.output else None

        poll(look, self.machine.within(seconds), what=f"{command} says {wanted}", interval=3.0)


@pytest.fixture(scope="module")
def master(out: Path) -> Iterator[Master]:
    made = planned(out)
    plan = replace(made, name="t-cert", hardware=made.hardware.model_copy(update={"disk": 4096}))
    with booted(plan) as (cluster, machines, scale):
        form.init(cluster, machines, scale)
        engine = Engine(scale, lambda: lifecycle.obituary(machines))
        engine.run(Readiness(cluster, Kubectl(cluster)).checks()[:-1])
        found = Master(cluster, machines[cluster.nodes[0].name])
        try:
            yield found
        finally:
            found.machine.stop(grace=0)


def renewed(master: Master, begun: datetime) -> None:
    """All certificates are as good as new, in kubeadm's eyes and in those of whoever asks the API server."""
    table = master.run("kubeadm certs check-expiration")
    rows = [line for line in table.splitlines() if re.search(r"\b36[34]d\b", line)]
    assert len(rows) == ALL and "<invalid>" not in table, table
    assert begun + YEAR - timedelta(hours=1) < master.served_until() < master.now + YEAR + timedelta(hours=1)


def works(master: Master, name: str) -> None:
    """A Deployment is taken, made, placed and run: every part of the control plane and the kubelet are heard by the others."""
    master.run(f"kubectl create deployment {name} --image=docker.io/kubeiso/client:1 -- sleep 3600")
    master.comes(f"kubectl get deployment {name} -o jsonpath=ready={{.status.availableReplicas}}", "ready=1", 240)


def identity(master: Master) -> str:
    return master.run("kubectl get namespace kube-system -o jsonpath={.metadata.uid}")


def test_a_master_that_lay_switched_off_for_longer_comes_back_by_itself(master: Master) -> None:
    before = identity(master)
    master.machine.stop(grace=master.machine.within(150).seconds)
    master.clock += ASLEEP
    begun = master.now
    master.machine = started(master)
    master.comes("kubectl get --raw /readyz", "ok", 300)
    assert identity(master) == before
    assert master.told("renewed: the kubelet's")
    renewed(master, begun)
    works(master, "after-years")


def started(master: Master) -> Machine:
    """The node's machine with its clock."""
    (node,), sockets = master.cluster.nodes, master.cluster.sockets
    clock = ("-rtc", f"base={master.now:%Y-%m-%dT%H:%M:%S}")
    spec = machine_spec(master.cluster, node, Switch.start(sockets, leashed=True).card).model_copy(update={"extra": clock})
    machine = Machine.start(spec, leashed=True)
    lifecycle.booted(machine, 1800)
    return machine


def test_a_running_master_renews_them_and_starts_anew_what_knew_the_old_ones(master: Master) -> None:
    master.clock += RUNNING
    begun = master.now
    set_clock(master)
    master.run("certificates renew -restart", 900)
    assert master.told("started anew: etcd, kube-apiserver, kube-controller-manager, kube-scheduler")
    master.comes("kubectl get --raw /readyz", "ok")
    renewed(master, begun)
    works(master, "after-months")


def set_clock(master: Master) -> None:
    ended = master.machine.shell().run(f"date -u -s @{master.now.timestamp():.0f}", master.machine.within(30))
    assert ended.code == 0, ended.output
