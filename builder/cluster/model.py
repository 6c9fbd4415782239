"""A cluster on this machine, as it is kept on disk."""

from pathlib import Path

from pydantic import Field

from builder.frozen import Frozen
from builder.machine.model import Acceleration, Attachment, Firmware
from builder.statefile import Kept

MASTER, WORKER = "master", "worker"

FORMAT = 1
"""Of a cluster's file; a greater one was written by a newer kubeiso."""


SOCKETS = "net"
"""The folder of the cluster network's switch, in the cluster's directory."""


class NodePorts(Frozen):
    """Ports on 127.0.0.1 that lead into a node. `closed` leads to a NodePort that nobody serves: the negative control."""

    api: int
    http: int
    closed: int


class Network(Frozen):
    """The network between the nodes. `host_ranges`: a node's range of pods follows from its number, with routes to the others."""

    subnet: str
    pods: str
    host_ranges: bool


class Node(Frozen):
    """One virtual machine of the cluster; all its files lie in `directory`. `address` is the one on the cluster network."""

    name: str
    role: str
    number: int
    directory: Path
    ports: NodePorts
    address: str
    pods: str = Field("", description="the node's range of pods; empty where a controller hands them out")
    medium: Path | None = Field(None, description="what it boots, where that is not its role's: while the cluster is upgraded")


class Hardware(Frozen):
    """What the machines of a cluster are; memory and disk in MiB. Without a disk a node runs from memory.

    keys: the folder of those (`kubeiso keys create`) that sign its media, and whose certificates its firmware trusts alone.
    """

    memory: int = 3072
    worker_memory: int = 1536
    cpus: int = 2
    worker_cpus: int = 1
    firmware: Firmware = Firmware.BIOS
    attachment: Attachment = Attachment.CDROM
    disk: int = 0
    keys: Path | None = None

    def memory_of(self, role: str) -> int:
        return self.memory if role == MASTER else self.worker_memory

    def cpus_of(self, role: str) -> int:
        return self.cpus if role == MASTER else self.worker_cpus


class Workload(Frozen):
    """A DaemonSet or Deployment that the pod network brings, which must be at its desired count."""

    kind: str
    namespace: str
    name: str


class PodClass(Frozen):
    """A RuntimeClass of the nodes. Classes of one handler differ in their names alone.

    process: where its pods have a kernel of their own, a POSIX extended pattern for the command line of each pod's one process.
    proof: a command on the node that ends with 0 when the handler runs the container with the id $ID.
    """

    name: str
    handler: str = ""
    process: str = ""
    proof: str


class RuntimeFacts(Frozen):
    """What the cluster room must know of the nodes' container runtime."""

    name: str
    socket: str
    checks: tuple[tuple[str, str], ...] = Field(description="name and command of each proof")
    logs: tuple[str, ...] = ()
    outlived: tuple[str, ...] = Field((), description="daemons whose sudden end containers outlive")
    diagnostics: tuple[tuple[str, str], ...] = Field((), description="file name and command of what a failed run asks a node")
    classes: tuple[PodClass, ...] = ()
    conformance_without: dict[str, str] = Field({}, description="conformance tests that it can't pass, and why")
    critest_without: dict[str, str] = Field({}, description="tests of critest that it can't pass, and why")
    virtualising: bool = Field(False, description="whether pods are virtual machines, so that the nodes have to run such")


class Cluster(Kept):
    """A cluster by its state directory. `kubectl` is the client of the nodes' own version; `media` maps a role to what it boots.

    `ports` is the first of the block of ports on 127.0.0.1 that all nodes have theirs of.
    """

    format: int = FORMAT
    name: str
    directory: Path
    media: dict[str, Path]
    hardware: Hardware
    acceleration: Acceleration
    ports: int
    ssh_keys: tuple[str, ...] = ()
    runtime: RuntimeFacts
    kubernetes_version: str
    kubectl: Path
    network: Network
    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...] = ()

    @property
    def sockets(self) -> Path:
        """Where the cluster network's switch has its sockets."""
        return self.directory / SOCKETS

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def masters(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role == MASTER)

    @property
    def workers(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role == WORKER)

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)
