"""The CIS Kubernetes Benchmark's points that can be seen from outside, one check for each, and what listens on a node.

cis.yml has them by their numbers. Nothing is asked of the files that were meant to set something where a process can be asked.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.frozen import Frozen
from builder.reading.document import load
from builder.reading.source import Kind

_POINTS = Path(__file__).with_name("cis.yml")
_KIND = Kind("benchmark", "masters: []")

# Words for the commands of cis.yml, in a shell of the node. A program that does not run has no flags and lacks none.
_WORDS = """K=/var/lib/kubeadm
args() { pid=$(pidof "$1" | cut -d ' ' -f 1); [ -n "$pid" ] && tr '\\0' '\\n' <"/proc/$pid/cmdline"; }
has() { args "$1" | grep -qxF -e "$2" || { echo "$1 runs without $2"; return 1; }; }
not() { args "$1" | grep -q . && ! args "$1" | grep -F -e "$2"; }
mode() {
    max=$1; shift; seen=0
    for file in "$@"; do
        [ -e "$file" ] || continue
        set -- $(stat -c '%u %g %a' "$file")
        [ "$1 $2" = '0 0' ] && [ $((0$3 & ~0$max)) -eq 0 ] || { echo "$file is $1:$2 $3"; return 1; }
        seen=$((seen + 1))
    done
    [ "$seen" -gt 0 ] || { echo 'there is no such file'; return 1; }
    echo "$seen of root, $max at most"
}
"""
_SOCKETS = 'for each in tcp tcp6 udp udp6; do sed "s/^/$each /" /proc/1/net/$each; done'
_LISTENS = "0A"  # TCP_LISTEN of include/net/tcp_states.h

OnNode = Callable[[Node, str], str]
"""Runs a command in a shell of the node and gives what it says; NotYet where it does not end with 0."""


class Point(Frozen):
    """A command on a node whose exit code 0 is the proof."""

    id: str
    title: str
    command: str


class Setting(Frozen):
    """A field of the kubelet's configuration as it runs, and what it may be."""

    id: str
    title: str
    field: str
    allowed: list[JsonValue] = Field(alias="is", min_length=1)


class Address(Frozen):
    """Where kube-proxy shows its figures."""

    id: str
    title: str
    address: str


class Listens(Frozen):
    """Ports that may be open to others -> whose they are."""

    tcp: dict[str, str]
    udp: dict[str, str]


class Benchmark(Frozen):
    """cis.yml."""

    masters: list[Point]
    nodes: list[Point]
    kubelet: list[Setting]
    proxy: Address
    listens: Listens


def benchmark() -> Benchmark:
    return load(_POINTS, Benchmark, _KIND)


class Cis:
    """Each method is the look of some checks. on: a shell of each node."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, on: OnNode) -> None:
        self._cluster, self._kubectl, self._on = cluster, kubectl, on

    @cached_property
    def _benchmark(self) -> Benchmark:
        return benchmark()

    def checks(self) -> list[Check]:
        found = self._benchmark
        return [
            *self._on_each(self._cluster.masters, found.masters),
            *self._on_each(self._cluster.nodes, found.nodes),
            *(self._setting(node, each) for node in self._cluster.nodes for each in found.kubelet),
            *(self._proxied(node, found.proxy) for node in self._cluster.nodes),
            *(
                Check("cis-L", f"nothing listens on {node.name} but what is listed", partial(self.listens, node), 60)
                for node in self._cluster.nodes
            ),
        ]

    def _on_each(self, nodes: tuple[Node, ...], points: list[Point]) -> list[Check]:
        return [
            Check(f"cis-{point.id}", f"{point.title} ({node.name})", partial(self.seen, node, point.command), 60)
            for node in nodes
            for point in points
        ]

    def seen(self, node: Node, command: str) -> str:
        told = self._on(node, f"sh -c {shlex.quote(_WORDS + command)}").strip().splitlines()
        return told[0][:100] if told else "so it is"

    def _setting(self, node: Node, setting: Setting) -> Check:
        return Check(f"cis-{setting.id}", f"{setting.title} ({node.name})", partial(self.set_so, node, setting), 60)

    def set_so(self, node: Node, setting: Setting) -> str:
        told = self._kubectl.text("get", "--raw", f"/api/v1/nodes/{node.name}/proxy/configz")
        found = _at(json.loads(told)["kubeletconfig"], setting.field)
        if found not in setting.allowed:
            raise NotYet(f"{setting.field} is {found!r}")
        return f"{setting.field}: {json.dumps(found)}"

    def _proxied(self, node: Node, at: Address) -> Check:
        return Check(f"cis-{at.id}", f"{at.title} ({node.name})", partial(self.figures, node, at.address), 60)

    def figures(self, node: Node, address: str) -> str:
        """What listens at kube-proxy's port for figures does so at that address alone."""
        at = {where for kind, where, port in self._open(node) if kind.startswith("tcp") and port == 10249}
        if at != {address}:
            raise NotYet(f"10249 is open at {', '.join(sorted(at)) or 'no address'}")
        return f"10249 at {address}"

    def listens(self, node: Node) -> str:
        allowed = self._benchmark.listens
        known = {"tcp": allowed.tcp, "udp": allowed.udp}
        outside = {(kind[:3], port) for kind, where, port in self._open(node) if not _local(where)}
        if stray := sorted(f"{kind} {port}" for kind, port in outside if str(port) not in known[kind]):
            raise NotYet(f"{', '.join(stray)} is open to others")
        if ("tcp", 10250) not in outside:
            raise NotYet("the kubelet's port is not among what was found")
        return ", ".join(f"{kind} {port}" for kind, port in sorted(outside))

    def _open(self, node: Node) -> list[tuple[str, str, int]]:
        return sockets(self._on(node, _SOCKETS))


def sockets(table: str) -> list[tuple[str, str, int]]:
    """Protocol, address and port of what listens, of lines of /proc/net/{tcp,udp}{,6} (proc_pid_net(5)) behind their names."""
    found = []
    for line in table.splitlines():
        match = re.match(r"(\w+) +\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) ", line)
        if match is None:
            continue
        kind, address, port, _, peer, state = match.groups()
        if state == _LISTENS if kind.startswith("tcp") else int(peer, 16) == 0:
            found.append((kind, _spoken(address), int(port, 16)))
    return found


def _spoken(address: str) -> str:
    """An IPv4 address as it is written; of IPv6 the local one, that of no address, and any other as it stands there."""
    if len(address) == 8:
        return ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))
    mapped = "0000000000000000FFFF0000"
    if address.startswith(mapped):
        return _spoken(address.removeprefix(mapped))
    return {"0" * 32: "::", "0" * 24 + "01000000": "::1"}.get(address, address)


def _local(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a path of keys and numbers; None where there is none."""
    found: Any = document
    for part in path.split("."):
        if isinstance(found, list):
            found = found[int(part)] if int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found
