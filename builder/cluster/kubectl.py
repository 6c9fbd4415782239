"""kubectl of the cluster's own version, run on this machine."""

import json
import re
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from builder.checks import NotYet
from builder.cluster.model import Cluster
from builder.errors import TimedOut
from builder.machine.model import CONSOLE_LOG
from builder.machine.pace import pace
from builder.run import Completed, last_line, run

# What kubectl says of an API server that it does not reach, or that does not reach its etcd (client-go, apimachinery).
_UNREACHED = re.compile(
    r"Unable to connect|connection to the server|connection refused|connection reset|TLS handshake timeout|: EOF"
    r"|[Tt]imeout exceeded|deadline exceeded|etcdserver: |InternalError|ServiceUnavailable"
)

GRACE = 30.0
"""Seconds that kubectl gets beyond its own limit before it is ended."""


SECONDS = 36.0
"""For a call, at native speed; a minute at the least. An exec on an emulated node that is busy took more than one minute."""


class Kubectl:
    """Calls end within `timeout` seconds, which are for native speed: they are stretched by the slowest node's scale.

    They go to the first master's API server until that one can't be reached; the next call goes to the next master's.
    """

    def __init__(self, cluster: Cluster, timeout: float | None = None) -> None:
        self._cluster = cluster
        self._native = timeout
        self._masters = deque(node.name for node in cluster.masters)

    @cached_property
    def scale(self) -> float:
        """The slowest node's, looked up at the first call: whoever makes this object may do so before the nodes' start."""
        return pace_of(self._cluster)

    @property
    def _timeout(self) -> float:
        return self._native * self.scale if self._native else max(60.0, SECONDS * self.scale)

    @property
    def master(self) -> str:
        """The node whose API server is asked; a context of the kubeconfig has its name."""
        return self._masters[0]

    def argv(self, *words: str) -> list[str]:
        limit = f"--request-timeout={self._timeout:.0f}s"
        where = (f"--kubeconfig={self._cluster.kubeconfig}", f"--context={self.master}")
        return [str(self._cluster.kubectl), *where, limit, *words]

    @property
    def env(self) -> dict[str, str]:
        """kubectl's discovery cache lives and goes with the cluster."""
        return {"HOME": str(self._cluster.directory)}

    def run(self, *words: str, input: str | None = None) -> Completed:
        """Never raises for kubectl's own failures: look at `.code`, 124 where it did not end in time."""
        argv = self.argv(*words)
        try:
            done = run(argv, env=self.env, input=input, check=False, timeout=self._timeout + GRACE)
        except TimedOut as late:
            done = Completed(tuple(argv), 124, "", f"{late.what}: deadline exceeded")
        if done.code != 0 and _UNREACHED.search(done.stderr):
            self._masters.rotate(-1)
        return done

    def text(self, *words: str, input: str | None = None) -> str:
        """Standard output; NotYet with kubectl's own words when it fails."""
        done = self.run(*words, input=input)
        if done.code != 0:
            raise NotYet(last_line(done.stderr) or f"kubectl {words[0]} ended with exit code {done.code}")
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text("get", *words, "-o", "json"))
        return found

    def items(self, *words: str) -> Sequence[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(*words)["items"]
        return items


def pace_of(cluster: Cluster) -> float:
    """How many times slower than native speed the slowest node is, by what the nodes told at their last starts."""
    return max((pace(node.directory / CONSOLE_LOG, cluster.acceleration) for node in cluster.nodes), default=1.0)


def use_reachable(cluster: Cluster) -> None:
    """Makes a master whose API server is ready the kubeconfig's current context, where one is."""
    kubectl = Kubectl(cluster, timeout=10)
    for _ in cluster.masters:
        if kubectl.run("get", "--raw", "/readyz").code == 0:
            kubectl.run("config", "use-context", kubectl.master)
            return
