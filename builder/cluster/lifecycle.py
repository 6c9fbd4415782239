"""A cluster's life on this machine: machines started, watched and ended; everything about it lies in its directory."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.cluster.init import init_master
from builder.cluster.model import Cluster, Node, NodePorts, RuntimeFacts
from builder.cluster.smoke import CLOSED_PORT, NODE_PORT
from builder.cluster.state import clusters_root, load, remove, save
from builder.deadline import Deadline
from builder.errors import CheckError, InputError
from builder.machine.machine import Machine
from builder.machine.model import Acceleration, Attachment, Firmware, Forward, MachineSpec
from builder.machine.ports import release, reserve
from builder.machine.speed import Stage, scale_of
from builder.progress import note, step

API_PORT = 6443
# Seconds for firmware, boot loader, kernel and services at native speed; under emulation nothing is known of the
# guest's speed before its kernel runs, so the slowest that the scale knows is taken.
_BOOT_SECONDS = 60.0
# An idle 2-core host took 5 to 8 times native time for a boot and for kubeadm (see builder/machine/speed.py).
_LEAST_EMULATED = 5.0


@dataclass(frozen=True)
class ClusterPlan:
    """What a new cluster is made of. `media` maps a role to its bootable file; memory in MiB."""

    name: str
    media: dict[str, Path]
    runtime: RuntimeFacts
    kubernetes_version: str
    kubectl: Path
    acceleration: Acceleration
    memory: int = 3072
    cpus: int = 2
    firmware: Firmware = Firmware.BIOS
    attachment: Attachment = Attachment.CDROM


def create(plan: ClusterPlan, directory: Path) -> Cluster:
    """Lays out the cluster's directory and reserves its ports; starts nothing. Raises InputError where it exists already."""
    if (directory / "cluster.json").exists():
        raise InputError(
            f"the cluster {plan.name} exists already", hint=f"kubeiso down --name {plan.name}, or take another --name"
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports = reserve(_locks(), directory, 3)
    name = f"{plan.name}-master-1"
    kubectl = directory / "kubectl"
    shutil.copy2(plan.kubectl, kubectl)
    cluster = Cluster(
        name=plan.name,
        directory=directory,
        runtime=plan.runtime,
        kubernetes_version=plan.kubernetes_version,
        kubectl=kubectl,
        nodes=(
            Node(
                name=name,
                role="master",
                directory=directory / name,
                ports=NodePorts(api=ports[0], http=ports[1], closed=ports[2]),
            ),
        ),
    )
    save(cluster)
    return cluster


def _locks() -> Path:
    """Where the ports of all clusters of this user are reserved."""
    return clusters_root() / ".ports"


def machine_spec(plan: ClusterPlan, node: Node) -> MachineSpec:
    forwards = ((node.ports.api, API_PORT), (node.ports.http, NODE_PORT), (node.ports.closed, CLOSED_PORT))
    return MachineSpec(
        name=node.name,
        directory=node.directory,
        medium=plan.media[node.role],
        attachment=plan.attachment,
        firmware=plan.firmware,
        acceleration=plan.acceleration,
        memory=plan.memory,
        cpus=plan.cpus,
        forwards=tuple(Forward(host_port=host, guest_port=guest) for host, guest in forwards),
    )


def start(plan: ClusterPlan, cluster: Cluster, *, leashed: bool = False) -> dict[str, Machine]:
    """Starts every node's machine; each is ended again when one fails to start."""
    machines: dict[str, Machine] = {}
    try:
        for node in cluster.nodes:
            with step(f"Starting {node.name}"):
                machines[node.name] = Machine.start(machine_spec(plan, node), leashed=leashed, on_stage=_tell(node.name))
    except BaseException:
        for machine in machines.values():
            machine.stop(grace=0)
        raise
    return machines


def _tell(name: str) -> Callable[[Stage], None]:
    """Every finished stage of a node as a note."""

    def tell(stage: Stage) -> None:
        if stage.state != "start":
            took = f" ({stage.seconds:.1f} s)" if stage.seconds else ""
            note(f"{name}: {stage.t:6.1f} s  {stage.title} {stage.state}{took} {stage.error}".rstrip())

    return tell


def attach(cluster: Cluster) -> dict[str, Machine]:
    return {node.name: Machine.attach(node.directory) for node in cluster.nodes}


def wait_ready(cluster: Cluster, machines: dict[str, Machine]) -> float:
    """Waits until every node's services run; returns the scale by which this guest is slower than native speed."""
    scale = 1.0
    for node in cluster.nodes:
        machine = machines[node.name]
        slow = 30.0 if machine.spec.acceleration.name == "tcg" else 3.0
        with step(f"Booting {node.name}"):
            ready = machine.console().wait_stage("ready", Deadline.after(_BOOT_SECONDS, scale=slow))
        scale = max(scale, slowness(machine, ready))
    note(f"the guest is {scale:.1f} times slower than native; every deadline is scaled by that")
    return scale


def slowness(machine: Machine, ready: Stage) -> float:
    """By how much this guest is slower than native speed: what it measured itself, under emulation at least the least seen."""
    return max(scale_of(ready.cpu_ms or 0.0), _LEAST_EMULATED if machine.spec.acceleration.name == "tcg" else 1.0)


def measured_scale(machine: Machine) -> float:
    """The scale that an attached machine told when it came up."""
    console = machine.console()
    ready = console.wait_stage("ready", Deadline.after(5.0))
    return slowness(machine, ready)


def init(cluster: Cluster, machines: dict[str, Machine], scale: float) -> str:
    """kubeadm init on the first master, over its console."""
    node = cluster.masters[0]
    console = machines[node.name].console()
    with step(f"Logging in on {node.name}"):
        console.login(Deadline.after(20.0, scale=scale))
    return init_master(cluster, node, console, scale)


def down(name: str, grace: float = 0.0) -> list[str]:
    """Ends every machine of the cluster and removes its directory and ports; returns how each ended."""
    cluster = load(name)
    endings = []
    for node in cluster.nodes:
        with step(f"Stopping {node.name}"):
            endings.append(f"{node.name}: {_stop(node, grace)}")
    release(_locks(), cluster.directory)
    remove(cluster.directory)
    return endings


def _stop(node: Node, grace: float) -> str:
    try:
        machine = Machine.attach(node.directory)
    except CheckError:
        return "was never started"
    return machine.stop(grace).how
