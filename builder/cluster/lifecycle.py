"""A cluster's life on this machine: laid out, started, watched and ended; everything about it lies in its directory."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder.cluster import layout
from builder.cluster.machines import machine_spec, prepare_node
from builder.cluster.model import SOCKETS, Cluster, Hardware, Network, Node, RuntimeFacts, Workload
from builder.cluster.parallel import for_each
from builder.cluster.state import (
    begin,
    clusters_root,
    directory_of,
    is_cluster,
    is_unfinished,
    load,
    machine_folders,
    remove,
    save,
)
from builder.console.model import Stage
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.machine.machine import STATE, Machine
from builder.machine.model import Acceleration
from builder.machine.pace import slowness
from builder.network.network import Switch
from builder.network.reservation import release, reserve
from builder.progress import note, step, warn

Machines = dict[str, Machine]
NodeFiles = Mapping[str, Mapping[str, str]]
"""For nodes by name: paths and the files' texts."""

# Seconds for firmware, boot loader, kernel and services at native speed; under emulation nothing is known of the
# guest's speed before its kernel runs, so the slowest that the scale knows is taken.
_BOOT_SECONDS = 60.0

# A trap that the kernel did not know (its own line may be torn apart by another), or one behind the first byte of an instruction
# that it patches: a five byte no-op, jump or call, or a two byte one (arch/x86/kernel/alternative.c: text_poke_bp).
_BREAKPOINT = re.compile(r"\bint3: 0000|Code: .* (0f <1f> 44 00 00|66 <90>|e[89] <\w\w>|eb <\w\w>) ")


def no_files(_: Cluster) -> NodeFiles:
    """For nodes that get what every node does."""
    return {}


@dataclass(frozen=True)
class ClusterPlan:
    """What a new cluster is made of. `media` maps a role to its bootable file.

    given: what nodes of the cluster, as it is laid out, find below their /run/config beside what every node does; by node.
    """

    name: str
    media: dict[str, Path]
    runtime: RuntimeFacts
    kubernetes_version: str
    kubectl: Path
    acceleration: Acceleration
    network: Network
    hardware: Hardware = field(default_factory=Hardware)
    masters: int = 1
    workers: int = 0
    workloads: tuple[Workload, ...] = ()
    ssh_keys: tuple[str, ...] = ()
    given: Callable[[Cluster], NodeFiles] = no_files


def create(plan: ClusterPlan, directory: Path) -> Cluster:
    """Lays out the cluster's directory and reserves its ports; starts nothing. Raises InputError where anything lies there."""
    begin(directory)
    ports = reserve(_locks(), directory, layout.NODES * layout.PORTS)
    kubectl = directory / "kubectl"
    own_copy(plan.kubectl, kubectl)
    cluster = Cluster(
        name=plan.name,
        directory=directory,
        media={role: linked(medium, directory / f"{role}{medium.suffix}") for role, medium in plan.media.items()},
        hardware=plan.hardware,
        acceleration=plan.acceleration,
        ports=ports.first,
        ssh_keys=plan.ssh_keys,
        runtime=plan.runtime,
        kubernetes_version=plan.kubernetes_version,
        kubectl=kubectl,
        network=plan.network,
        nodes=(),
        workloads=plan.workloads,
    )
    return _grown(cluster, plan.masters, plan.workers, plan.given)


def extend(cluster: Cluster, masters: int, workers: int) -> Cluster:
    """The cluster with so many further nodes, saved; they are not started. Each finds its metadata and its disk made."""
    return _grown(cluster, masters, workers, no_files)


def _grown(cluster: Cluster, masters: int, workers: int, given: Callable[[Cluster], NodeFiles]) -> Cluster:
    block = range(cluster.ports, cluster.ports + layout.NODES * layout.PORTS)
    more = layout.make_nodes(cluster.name, cluster.directory, masters, workers, cluster.network, block, cluster.nodes)
    larger = cluster.model_copy(update={"nodes": (*cluster.nodes, *more)})
    files = given(larger)
    for node in more:
        prepare_node(larger, node, files.get(node.name))
    save(larger)
    return larger


def linked(medium: Path, target: Path) -> Path:
    """The medium under a name in the cluster's directory: a later build replaces the file that it was, not this one."""
    try:
        os.link(medium.resolve(), target)
    except OSError:  # another file system
        return medium.absolute()
    return target


def own_copy(program: Path, target: Path) -> None:
    """The program under a name of the cluster's; it stays when the cache is cleaned."""
    try:
        os.link(program, target)
    except OSError:  # another file system
        shutil.copy2(program, target)


def _locks() -> Path:
    """Where the ports of all clusters of this user are reserved."""
    return clusters_root() / ".ports"


def start(cluster: Cluster, nodes: Sequence[Node] | None = None, *, leashed: bool = False) -> Machines:
    """Starts the network between the nodes, where it does not run, and the nodes' machines (all, or those given).

    Each that was started is ended again when one fails to start.
    """
    switch = Switch.start(cluster.sockets, qemu=cluster.acceleration.qemu, leashed=leashed)
    machines: Machines = {}
    try:
        for node in cluster.nodes if nodes is None else nodes:
            with step(f"Starting {node.name}"):
                spec = machine_spec(cluster, node, switch.card)
                machines[node.name] = Machine.start(spec, leashed=leashed, on_stage=_tell(node.name))
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


def attach(cluster: Cluster, nodes: Sequence[Node] | None = None) -> Machines:
    """The machines of the nodes, all or those given."""
    return {node.name: Machine.attach(node.directory) for node in nodes or cluster.nodes}


def obituary(machines: Machines) -> None:
    """Raises CheckError with QEMU's own reason as soon as one of the machines is gone."""
    for machine in machines.values():
        if reason := machine.obituary():
            raise CheckError(reason)


def wait_ready(nodes: Sequence[Node], machines: Machines) -> float:
    """Waits until every node's services run; returns the scale by which the slowest guest is slower than native speed."""

    def ready(node: Node) -> float:
        machine = machines[node.name]
        slow = 30.0 if machine.spec.acceleration.name == "tcg" else 3.0
        with step(f"Booting {node.name}"):
            return slowness(booted(machine, _BOOT_SECONDS * slow * len(nodes)), machine.spec.acceleration)

    scale = max(for_each(nodes, ready))
    note(f"the slowest guest is {scale:.1f} times slower than native; every deadline is scaled by that")
    return scale


def booted(machine: Machine, seconds: float) -> Stage:
    """The stage with which the node's services run.

    An emulated machine whose kernel met a breakpoint of its own is reset, once: under QEMU 7.2 with several processors one may
    run the breakpoint with which the kernel replaced code for a moment (text_poke) after it has put the code back.
    """
    try:
        return _whole(machine, seconds)
    except CheckError as error:
        if machine.spec.acceleration.name != "tcg" or not _BREAKPOINT.search(str(error)):
            raise
        warn(f"{machine.spec.name} is reset, since its emulator ran code that was no more: {error.what}")
    machine.reset()
    return _whole(machine, seconds)


def _whole(machine: Machine, seconds: float) -> Stage:
    """The stage ready of a node that is not degraded."""
    ready = machine.console().wait_stage("ready", Deadline.after(seconds))
    if reason := machine.console().degraded():
        raise degraded(machine.spec.name, reason)
    return ready


def degraded(name: str, reason: str) -> CheckError:
    """The error of a node that runs without its kubelet."""
    hint = "put that right and reboot it; meanwhile it takes your SSH keys, as far as it could read them: kubeiso shell"
    return CheckError(f"{name} is degraded: its kubelet does not run", why=reason, hint=hint)


def measured_scale(machines: Machines) -> float:
    """The scale that attached machines told when they came up. Raises CheckError where the services of one do not run yet."""
    for machine in machines.values():
        _whole(machine, 5.0)  # of what the console told before, whatever the guest's speed
    return max(machine.scale for machine in machines.values())


def down(name: str, grace: float = 0.0) -> list[str]:
    """Ends every machine of the cluster, then its network; removes its directory and ports; returns how each ended.

    It works from the directory alone, so a cluster whose file is damaged, or was written by another version, ends too. Where a
    machine can't be ended, nothing is removed.
    """
    directory = directory_of(name)
    if is_unfinished(directory):
        release(_locks(), directory)
        remove(directory)
        return [f"{name}: was never laid out to the end"]
    if not is_cluster(directory):
        load(name)  # says so
    folders = _machine_folders(name, directory)
    with step(f"Stopping {len(folders)} machines"):
        endings = for_each(folders, lambda folder: f"{folder.name}: {stop(folder, grace)}")
    if (directory / SOCKETS).exists():
        Switch.attach(directory / SOCKETS).stop()
    release(_locks(), directory)
    remove(directory)
    return endings


def _machine_folders(name: str, directory: Path) -> list[Path]:
    """The folder of each machine: those of the nodes, and whatever else of a machine lies there."""
    try:
        nodes = [node.directory for node in load(name).nodes]
    except CheckError as error:
        warn(f"{error.what}: whatever runs there is ended all the same")
        nodes = []
    return [*nodes, *sorted(machine_folders(directory) - set(nodes))]


def stop(folder: Path, grace: float) -> str:
    """Ends the machine in a folder, by its power button where it gets `grace` seconds for that; returns how it ended."""
    if not (folder / STATE).exists():
        return "was never started"
    return Machine.attach(folder).stop(grace).how
