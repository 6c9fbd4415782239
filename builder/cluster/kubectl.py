"""kubectl of the cluster's own version, run on this machine."""

import json
from collections.abc import Sequence
from typing import Any

from builder.cluster.engine import NotYet
from builder.cluster.model import Cluster
from builder.run import Completed, run


class Kubectl:
    """Calls end within `timeout` seconds of wall time."""

    def __init__(self, cluster: Cluster, timeout: float = 60.0) -> None:
        self._cluster = cluster
        self._timeout = timeout

    def argv(self, *words: str) -> list[str]:
        limit = f"--request-timeout={self._timeout:.0f}s"
        return [str(self._cluster.kubectl), f"--kubeconfig={self._cluster.kubeconfig}", limit, *words]

    @property
    def env(self) -> dict[str, str]:
        """kubectl's discovery cache lives and goes with the cluster."""
        return {"HOME": str(self._cluster.directory)}

    def run(self, *words: str, input: str | None = None) -> Completed:
        """Never raises for kubectl's own failures: look at `.code`."""
        return run(self.argv(*words), env=self.env, input=input, check=False, timeout=self._timeout + 30)

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


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
