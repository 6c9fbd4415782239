"""What pods leave on a node: mounts, network namespaces, cgroups, and the processes that are their sandboxes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from builder.checks import NotYet
from builder.cluster.model import Node

LOOKS = {
    "mount": "awk '{print $2}' /proc/mounts",
    "network namespace": "ls /run/netns 2>/dev/null || true",
    "cgroup": "find /sys/fs/cgroup -type d -path '*kubepods*'",
}
"""Kind -> the command that lists all of them on a node, one a line."""

ALL_OF = Callable[[Node, str], str]
"""Runs a command on a node and gives all that it said; NotYet where it does not end with 0."""

Seen = dict[tuple[str, str], frozenset[str]]
"""Node and kind -> what there is."""


@dataclass(frozen=True)
class Traces:
    nodes: tuple[Node, ...]
    run: ALL_OF

    def seen(self) -> Seen:
        return {
            (node.name, kind): frozenset(self.run(node, look).splitlines()) for node in self.nodes for kind, look in LOOKS.items()
        }

    def demand_nothing_beyond(self, before: Seen) -> str:
        """NotYet that names what has come since and is still there."""
        now = self.seen()
        left = [f"{node}: {kind} {name}" for (node, kind), names in now.items() for name in sorted(names - before[node, kind])]
        if left:
            raise NotYet(f"{len(left)} are left, such as {left[0]}")
        return ", ".join(f"{sum(len(now[node.name, kind]) for node in self.nodes)} {kind}s" for kind in LOOKS)

    def demand_something_beyond(self, before: Seen, nodes: Iterable[Node]) -> None:
        """NotYet unless something of each kind has come on each of these nodes: a look that sees no pod can't miss one either."""
        now = self.seen()
        for node in nodes:
            for kind in LOOKS:
                if not now[node.name, kind] - before[node.name, kind]:
                    raise NotYet(f"{node.name} has a pod, and no {kind} more than before")

    def processes(self, pattern: str) -> dict[str, int]:
        """How many processes have a command line that matches, on each node."""
        lines = "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $each; echo; done"
        look = f"{{ {lines}; }} 2>/dev/null | grep -cE '{pattern}' || true"  # a process may be gone by then
        return {node.name: _number(self.run(node, look).splitlines()) for node in self.nodes}


def _number(lines: list[str]) -> int:
    if len(lines) != 1 or not lines[0].isdecimal():
        raise NotYet(f"the count was told as {lines}")
    return int(lines[0])
