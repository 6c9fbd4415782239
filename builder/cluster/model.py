"""A cluster on this machine, as it is kept on disk, and what its checks found."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodePorts(Frozen):
    """Ports on 127.0.0.1 that lead into a node. `closed` leads to a NodePort that nobody serves: the negative control."""

    api: int
    http: int
    closed: int


class Node(Frozen):
    """One virtual machine of the cluster; all its files lie in `directory`."""

    name: str
    role: str
    directory: Path
    ports: NodePorts


class RuntimeFacts(Frozen):
    """What the cluster room must know of the nodes' container runtime."""

    name: str
    socket: str
    checks: tuple[tuple[str, str], ...] = Field(description="name and command of each proof")
    logs: tuple[str, ...] = ()


class Cluster(Frozen):
    """A cluster by its state directory. `kubectl` is the client of the nodes' own version."""

    name: str
    directory: Path
    runtime: RuntimeFacts
    kubernetes_version: str
    kubectl: Path
    nodes: tuple[Node, ...]

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def masters(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role == "master")

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


class Finding(Frozen):
    """What one check showed. `began` counts in seconds from the start of the run."""

    id: str
    name: str
    outcome: Outcome
    reason: str
    began: float
    seconds: float


class Report(Frozen):
    """A whole run. It passed only when every check that was planned was seen to pass."""

    suite: str
    runtime: str
    kubernetes_version: str
    acceleration: str
    scale: float
    findings: tuple[Finding, ...]
    timeline: tuple[tuple[str, float], ...] = Field((), description="stage and seconds since the start of the machine")
    bundle: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(finding.outcome is Outcome.PASSED for finding in self.findings)
