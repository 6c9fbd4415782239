"""What a cluster must survive: a node that joins later, one that is lost and comes back, and a power cut of all."""

from collections.abc import Callable

from builder.cluster import form, lifecycle
from builder.cluster.engine import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.cluster.readiness import Readiness, condition, name_of
from builder.cluster.smoke import Smoke
from builder.errors import CheckError
from builder.machine.machine import Machine


class Endurance:
    """Works on a cluster whose machines are in `machines`, and keeps them up to date; `grow` is told of a larger cluster."""

    def __init__(self, cluster: Cluster, machines: dict[str, Machine], scale: float, grow: Callable[[Cluster], None]) -> None:
        self._cluster = cluster
        self._machines = machines
        self._scale = scale
        self._grow = grow
        self._boots: dict[str, str] = {}

    def checks(self) -> list[Check]:
        lost = self._cluster.workers[-1]
        return [
            Check("A17a", f"{lost.name} is stopped and seen as NotReady", self._lose(lost), 120),
            Check("A17b", f"{lost.name} is started again and Ready, its pods back", self._return(lost), 240),
            Check("A17c", "a further worker joins and is Ready", self.add, once=True),
            Check("A18a", "all machines lose power and start again", self.power_cut, once=True),
            Check("A18b", "every node is Ready again", self.nodes_ready, 300),
            Check("A18c", "every pod that must be there is Ready again", self.pods_back, 300),
            *(
                Check("A18d", f"nginx's page through the NodePort of {node.name} again", self._page(node), 120)
                for node in self._cluster.nodes
            ),
        ]

    def _lose(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            if node.name in self._machines:
                ending = self._machines.pop(node.name).stop(grace=60 * self._scale)
                if ending.how != "powerdown":
                    raise CheckError(f"{node.name} did not power off by itself: {ending.how}")
            ready = condition(self._kubectl.get("node", node.name), "Ready")
            if ready.get("status") == "True":
                raise NotYet(f"still seen as Ready: {ready.get('message')}")
            return f"Ready is {ready.get('status')}: {ready.get('reason')}"

        return look

    def _return(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            if node.name not in self._machines:
                self._boots = self._boot_ids()
                self._machines.update(lifecycle.start(self._cluster, [node], leashed=True))
                lifecycle.wait_ready([node], self._machines)
            self._ready_again(node)
            return self._pods_back(node)

        return look

    def _boot_ids(self) -> dict[str, str]:
        """Each node's boot as its kubelet last told it: a node that is Ready with another one really came back."""
        return {name_of(node): node["status"]["nodeInfo"]["bootID"] for node in self._kubectl.items("nodes")}

    def _ready_again(self, node: Node) -> None:
        found = self._kubectl.get("node", node.name)
        ready = condition(found, "Ready")
        if found["status"]["nodeInfo"]["bootID"] == self._boots[node.name]:
            raise NotYet(f"the API server still shows the boot before of {node.name}")
        if ready.get("status") != "True":
            raise NotYet(f"{node.name}: {ready.get('message')}")

    def _pods_back(self, node: Node) -> str:
        pods = self._kubectl.items("pods", "-A", "--field-selector", f"spec.nodeName={node.name}")
        wrong = [name_of(pod) for pod in pods if condition(pod, "Ready").get("status") != "True"]
        if wrong or not pods:
            raise NotYet(f"not Ready: {', '.join(wrong) or 'no pod at all'}")
        return f"{len(pods)} pods Ready"

    def add(self) -> str:
        larger = lifecycle.extend(self._cluster, 0, 1)
        (node,) = [node for node in larger.nodes if node not in self._cluster.nodes]
        self._cluster = larger
        self._grow(larger)
        self._machines.update(lifecycle.start(larger, [node], leashed=True))
        lifecycle.wait_ready([node], self._machines)
        form.join(larger, [node], self._machines, self._scale)
        return f"{node.name} joined"

    def power_cut(self) -> str:
        self._boots = self._boot_ids()
        for name in list(self._machines):
            self._machines.pop(name).stop(grace=0)
        self._machines.update(lifecycle.start(self._cluster, leashed=True))
        lifecycle.wait_ready(self._cluster.nodes, self._machines)
        return f"{len(self._machines)} machines run again"

    def nodes_ready(self) -> str:
        for node in self._cluster.nodes:
            self._ready_again(node)
        return Readiness(self._cluster, self._kubectl).nodes()

    def pods_back(self) -> str:
        for node in self._cluster.nodes:
            self._pods_back(node)
        return Readiness(self._cluster, self._kubectl).coredns()

    def _page(self, node: Node) -> Callable[[], str]:
        return Smoke(self._cluster, self._kubectl).page_of(node)

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self._cluster)
