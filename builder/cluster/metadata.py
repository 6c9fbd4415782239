"""What a node reads from its metadata volume (pkg/metadata): its name, SSH keys, addresses and configuration files.

Formats: NoCloud's meta-data and cloud-init's network-config, version 2 (cloud-init's documentation); user-data is the JSON tree
of LinuxKit's metadata package (docs/metadata.md).
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from builder.cluster.guestports import API_PORT
from builder.cluster.layout import routes
from builder.cluster.model import Cluster, Node

POD_RANGE = "pod-network/subnet"
"""The node's own range of pods, below /run/config; pkg/pod-network reads it."""

API_SERVERS = "api-balancer/masters"
"""Where several masters' API servers are, HOST:PORT in lines, below /run/config; pkg/api-balancer reads it."""

STATE_DISK = "state/disk"
"""The UUID of the node's state disk, without which it does not go on, below /run/config; pkg/state reads it."""


@dataclass(frozen=True)
class Card:
    """A network card with addresses of its own. `addresses` have their prefix's length; `routes` are (network, gateway)."""

    mac: str
    addresses: tuple[str, ...]
    routes: tuple[tuple[str, str], ...] = ()
    mtu: int | None = None


def node_metadata(cluster: Cluster, node: Node, mac: str, tree: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The files of a node of a cluster. `mac` is that of its card on the cluster network; `tree`: further files for it."""
    length = ipaddress.ip_network(cluster.network.subnet).prefixlen
    card = Card(mac, (f"{node.address}/{length}",), tuple(routes(cluster.network, node.number)))
    return metadata(node.name, cards=[card], ssh_keys=cluster.ssh_keys, tree={**_tree(cluster, node), **(tree or {})})


def _tree(cluster: Cluster, node: Node) -> dict[str, str]:
    tree = {POD_RANGE: f"{node.pods}\n"} if node.pods else {}
    if len(cluster.masters) > 1:
        tree[API_SERVERS] = "".join(f"{master.address}:{API_PORT}\n" for master in cluster.masters)
    return tree


def metadata(
    name: str, *, cards: Sequence[Card] = (), ssh_keys: Sequence[str] = (), tree: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """The files of a metadata volume.

    name: the node's host name. cards: cards that are not named here get their addresses by DHCP. tree: paths below /run/config
    and the files' texts; the node keeps them for root alone.
    """
    meta: dict[str, Any] = {"instance-id": name, "local-hostname": name}
    if ssh_keys:
        meta["public-keys"] = [key.strip() for key in ssh_keys]
    return {
        "meta-data": _yaml(meta),
        "user-data": json.dumps(_entries(tree or {}), indent=1).encode() + b"\n",
        "network-config": _yaml(network_config(cards)),
    }


def network_config(cards: Sequence[Card]) -> dict[str, Any]:
    """The document; each card is found by its hardware address and keeps the kernel's name."""
    return {"version": 2, "ethernets": {f"card{number}": _ethernet(card) for number, card in enumerate(cards)}}


def _ethernet(card: Card) -> dict[str, Any]:
    made: dict[str, Any] = {"match": {"macaddress": card.mac}, "addresses": list(card.addresses)}
    if card.mtu is not None:
        made["mtu"] = card.mtu
    if card.routes:
        made["routes"] = [{"to": to, "via": via} for to, via in card.routes]
    return made


def _entries(tree: Mapping[str, str]) -> dict[str, Any]:
    """LinuxKit's nested entries of files by their paths."""
    made: dict[str, Any] = {}
    for path, text in sorted(tree.items()):
        *folders, name = path.split("/")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {"entries": {}})["entries"]
        place[name] = {"content": text, "perm": "0600"}
    return made


def _yaml(document: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(document, sort_keys=False, width=1000).encode()
