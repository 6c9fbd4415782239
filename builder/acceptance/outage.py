"""Nodes that go and come back: their machines ended and started again, and the proof that each really came back."""

from collections.abc import Sequence

from builder.checks import NotYet
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError
from builder.forming.objects import Object, condition, containers_of, is_true, name_of
from builder.machine.machine import Machine


class Outage:
    """Works on a cluster's machines in `machines`, which it keeps up to date: those that are off are not in it."""

    def __init__(self, cluster: Cluster, machines: dict[str, Machine], kubectl: Kubectl) -> None:
        self.machines = machines
        self.cluster = cluster
        self._kubectl = kubectl
        self._boots: dict[str, str] = {}
        self._containers: set[str] = set()

    def power_off(self, node: Node, seconds: float) -> None:
        """By the power button; raises CheckError unless the node ends by itself in that time."""
        ending = self.machines.pop(node.name).stop(grace=seconds)
        if ending.how != "powerdown":
            raise CheckError(f"{node.name} did not power off by itself: {ending.how}")

    def cut(self, nodes: Sequence[Node]) -> None:
        """As a power cut, without a word to the nodes."""
        for node in nodes:
            self.machines.pop(node.name).stop(grace=0)

    def power_on(self, nodes: Sequence[Node]) -> None:
        """Starts them, and waits until their services run."""
        self.machines.update(lifecycle.start(self.cluster, nodes, leashed=True))
        lifecycle.wait_ready(nodes, self.machines)

    def remember(self) -> None:
        """Keeps each node's boot as its kubelet last told it, and the containers of all pods.

        A node that is Ready with another boot really came back, and so did a pod that is Ready with other containers: what etcd
        kept from before would say Ready, too. Raises NotYet where the API server does not know all nodes.
        """
        self._boots = {name_of(node): node["status"]["nodeInfo"]["bootID"] for node in self._kubectl.items("nodes")}
        if unknown := [node.name for node in self.cluster.nodes if node.name not in self._boots]:
            raise NotYet(f"the API server does not know {', '.join(unknown)}")
        self._containers = {one for pod in self._kubectl.items("pods", "-A") for one in containers_of(pod)}

    def gone(self, node: Node) -> str:
        """NotYet while the API server takes the node for Ready."""
        ready = condition(self._kubectl.get("node", node.name), "Ready")
        if ready.get("status") not in ("False", "Unknown"):
            raise NotYet(f"still seen as Ready: {ready.get('message')}" if ready else "it has no Ready condition at all")
        return f"Ready is {ready['status']}: {ready.get('reason')}"

    def back(self, node: Node) -> str:
        """NotYet until the node is Ready with another boot than the one remembered."""
        found = self._kubectl.get("node", node.name)
        if found["status"]["nodeInfo"]["bootID"] == self._boots[node.name]:
            raise NotYet(f"the API server still shows the boot before of {node.name}")
        return _said_ready(found)

    def ready(self, node: Node) -> str:
        """NotYet while the node is not Ready."""
        return _said_ready(self._kubectl.get("node", node.name))

    def pods_back(self, node: Node) -> str:
        """NotYet until every pod that belongs on the node is Ready, with other containers than those remembered."""
        pods = self._kubectl.items("pods", "-A", "--field-selector", f"spec.nodeName={node.name}")
        wrong = [name_of(pod) for pod in pods if not is_true(pod, "Ready")]
        if wrong or not pods:
            raise NotYet(f"not Ready: {', '.join(wrong) or 'no pod at all'}")
        if stale := [name_of(pod) for pod in pods if not self._containers.isdisjoint(containers_of(pod))]:
            raise NotYet(f"told of before {node.name} was gone: {', '.join(stale)}")
        return f"{len(pods)} pods Ready"


def _said_ready(node: Object) -> str:
    if not is_true(node, "Ready"):
        raise NotYet(f"{name_of(node)}: {condition(node, 'Ready').get('message')}")
    return f"{name_of(node)} is Ready"
