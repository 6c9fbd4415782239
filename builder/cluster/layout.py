"""Who is in a cluster, and where: names, addresses, ranges and ports, all derived from a node's number.

So a node that joins later finds its place ready, and no other node has to change for it.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.cluster.model import MASTER, WORKER, Network, Node, NodePorts
from builder.errors import InputError

MASTERS = 9
NODES = 24
"""Numbers 1 to 9 are for masters, 10 to 24 for workers."""

PORTS = 3
"""Ports on 127.0.0.1 for each node (NodePorts)."""

ACCESS = "10.0.2.0/24"
"""The network of QEMU's user-mode card, the same in each machine (QEMU's documentation, "Network emulation")."""

# Candidates for the network between the nodes; the first that overlaps with nothing is taken.
_SUBNETS = ("10.64.0.0/24", "172.30.64.0/24", "192.168.164.0/24")
_FIRST_HOST = 10


def network(pods: str, services: str, *, host_ranges: bool) -> Network:
    """The network between a cluster's nodes, clear of the ranges of pods and Services.

    host_ranges: the pods' ranges are the nodes' own by number, with routes; else a controller hands them out.
    """
    taken = [ipaddress.ip_network(subnet) for subnet in (pods, services, ACCESS)]
    for subnet in _SUBNETS:
        if not any(ipaddress.ip_network(subnet).overlaps(other) for other in taken):
            return Network(subnet=subnet, pods=pods, host_ranges=host_ranges)
    why = f"pods have {pods}, Services {services}; tried were {', '.join(_SUBNETS)}"
    raise InputError("no range is left for the network between the nodes", why=why, hint="take smaller subnets in the recipe")


def address(network: Network, number: int) -> str:
    """The address of the node with that number on the cluster network."""
    return str(ipaddress.ip_network(network.subnet)[_FIRST_HOST + number])


def pod_range(network: Network, number: int) -> str:
    """The /24 of the pods' subnet that is the node's; empty where a controller hands them out."""
    if not network.host_ranges:
        return ""
    pods = ipaddress.ip_network(network.pods)
    if pods.prefixlen > 24 or (number - 1) >= 2 ** (24 - pods.prefixlen):
        hint = "take a larger pod_subnet in the recipe, such as 10.244.0.0/16"
        raise InputError(f"the pods' subnet {network.pods} has no range for node number {number}", hint=hint)
    return f"{pods[(number - 1) * 256]}/24"


def routes(network: Network, number: int) -> list[tuple[str, str]]:
    """(range, gateway) for the pods of every other node that there may ever be; none where a controller does it."""
    if not network.host_ranges:
        return []
    pods = ipaddress.ip_network(network.pods)
    most = min(NODES, 2 ** max(0, 24 - pods.prefixlen))
    return [(pod_range(network, other), address(network, other)) for other in range(1, most + 1) if other != number]


def free_numbers(nodes: Iterable[Node], role: str, count: int) -> list[int]:
    """The lowest numbers of the role that are not taken. Raises InputError where there are too few."""
    candidates = range(1, MASTERS + 1) if role == MASTER else range(MASTERS + 1, NODES + 1)
    free = [number for number in candidates if number not in {node.number for node in nodes}]
    if len(free) < count:
        raise InputError(f"a cluster has at most {len(candidates)} {role}s", hint=f"{len(free)} more fit in this one")
    return free[:count]


def make_node(cluster: str, directory: Path, role: str, number: int, network: Network, ports: Sequence[int]) -> Node:
    """The node with that number. ports: the cluster's whole block."""
    name = f"{cluster}-{role}-{number if role == MASTER else number - MASTERS}"
    api, http, closed = ports[(number - 1) * PORTS : number * PORTS]
    return Node(
        name=name,
        role=role,
        number=number,
        directory=directory / name,
        ports=NodePorts(api=api, http=http, closed=closed),
        address=address(network, number),
        pods=pod_range(network, number),
    )


def make_nodes(
    cluster: str, directory: Path, masters: int, workers: int, network: Network, ports: Sequence[int], known: Sequence[Node] = ()
) -> list[Node]:
    """So many further nodes, masters first."""
    wanted = [(MASTER, number) for number in free_numbers(known, MASTER, masters)]
    wanted += [(WORKER, number) for number in free_numbers(known, WORKER, workers)]
    return [make_node(cluster, directory, role, number, network, ports) for role, number in wanted]
