"""A node of a cluster as a virtual machine: what is attached to it."""

import uuid
from collections.abc import Mapping
from pathlib import Path

from builder.cluster.guestports import API_PORT, CLOSED_PORT, NODE_PORT
from builder.cluster.metadata import STATE_DISK, node_metadata
from builder.cluster.model import Cluster, Hardware, Node
from builder.machine import budget
from builder.machine.cidata import make_cidata
from builder.machine.disk import make_state_disk
from builder.machine.model import Acceleration, ClusterCard, Forward, MachineSpec
from builder.machine.qemu import mac_address, machine_id


def afford(hardware: Hardware, acceleration: Acceleration | None, masters: int, workers: int, running: int = 0) -> None:
    """Raises InputError where this host can't carry so many more machines beside those that run.

    What is not known yet is taken for the best.
    """
    groups = [
        budget.Group(count=masters, memory=hardware.memory),
        budget.Group(count=workers, memory=hardware.worker_memory, option="--worker-memory"),
    ]
    known = acceleration or Acceleration(name="kvm", reason="not known yet")
    budget.check([group for group in groups if group.count], known, budget.this_host(), running)


def prepare_node(cluster: Cluster, node: Node, tree: Mapping[str, str] | None = None) -> None:
    """Makes what a node's machine starts with: its metadata volume, and its disk where the cluster's nodes have one.

    tree: paths below the node's /run/config and the files' texts.
    """
    node.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    machine, own = _bare(cluster, node), dict(tree or {})
    if cluster.hardware.disk:
        identity = state_id(machine)
        if not _disk(node).exists():
            make_state_disk(_disk(node), cluster.hardware.disk, identity)
        own[STATE_DISK] = f"{identity}\n"
    make_cidata(node_metadata(cluster, node, mac_address(machine, 1), own), _metadata(node))


def state_id(spec: MachineSpec) -> uuid.UUID:
    """The UUID of the file system on the disk of a machine's node."""
    return uuid.uuid5(machine_id(spec), "state")


def machine_spec(cluster: Cluster, node: Node, card: ClusterCard) -> MachineSpec:
    """All that decides the machine of a node."""
    forwards = ((node.ports.api, API_PORT), (node.ports.http, NODE_PORT), (node.ports.closed, CLOSED_PORT))
    return _bare(cluster, node).model_copy(
        update={
            "forwards": tuple(Forward(host_port=host, guest_port=guest) for host, guest in forwards),
            "cluster_network": card,
            "metadata": _metadata(node),
            "state_disk": _disk(node) if cluster.hardware.disk else None,
        }
    )


def _bare(cluster: Cluster, node: Node) -> MachineSpec:
    hardware, virtualising = cluster.hardware, cluster.runtime.virtualising
    return MachineSpec(
        name=node.name,
        directory=node.directory,
        medium=node.medium or cluster.media[node.role],
        attachment=hardware.attachment,
        firmware=hardware.firmware,
        keys=hardware.keys,
        acceleration=cluster.acceleration,
        memory=hardware.memory_of(node.role),
        cpus=cluster.acceleration.cpus(hardware.cpus_of(node.role), virtualising=virtualising, masters=len(cluster.masters)),
        virtualising=virtualising,
    )


def _metadata(node: Node) -> Path:
    return node.directory / "cidata.img"


def _disk(node: Node) -> Path:
    return node.directory / "state.img"
