"""What a cluster must survive: a node that joins later, one that is lost and comes back, and a power cut of all."""

from collections.abc import Callable

from builder.acceptance.outage import Outage
from builder.acceptance.smoke import Smoke
from builder.checks import Check
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.forming import form
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine


class Endurance:
    """Works on a cluster whose machines are in `machines`, and keeps them up to date; `grow` is told of a larger cluster."""

    def __init__(
        self, cluster: Cluster, machines: dict[str, Machine], kubectl: Kubectl, scale: float, patience: float,
        grow: Callable[[Cluster], None],
    ) -> None:  # fmt: skip
        """patience: seconds that one answer over the network may take."""
        self._scale = scale
        self._patience = patience
        self._grow = grow
        self._kubectl = kubectl
        self._outage = Outage(cluster, machines, self._kubectl)

    def checks(self) -> list[Check]:
        lost = self._outage.cluster.workers[-1]
        return [
            Check("A17a", f"{lost.name} is stopped and seen as NotReady", self._lose(lost), 120),
            Check("A17b", f"{lost.name} is started again and Ready, its pods back", self._return(lost), 240),
            Check("A17c", "a further worker joins", self.add, once=True),
            Check("A17d", "the further worker is Ready, its pods too", self.added_ready, 240),
            Check("A17e", "nginx's page through the NodePort of the further worker", self.added_page, 120),
            Check("A18a", "all machines lose power and start again", self.power_cut, once=True),
            Check("A18b", "every node is Ready again", self.nodes_ready, 300),
            Check("A18c", "every pod that must be there is Ready again", self.pods_back, 300),
            Check("A18d", "nginx's page through the NodePort of every node again", self.pages, 180),
        ]

    def _lose(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            if node.name in self._outage.machines:
                self._outage.remember()
                self._outage.power_off(node, 60 * self._scale)
            return self._outage.gone(node)

        return look

    def _return(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            if node.name not in self._outage.machines:
                self._outage.power_on([node])
            self._outage.back(node)
            return self._outage.pods_back(node)

        return look

    def add(self) -> str:
        larger = lifecycle.extend(self._outage.cluster, 0, 1)
        (node,) = [node for node in larger.nodes if node not in self._outage.cluster.nodes]
        self._outage.cluster = larger
        self._grow(larger)
        self._outage.power_on([node])
        form.join(larger, [node], self._outage.machines, self._scale)
        return f"{node.name} joined"

    def added_ready(self) -> str:
        added = self._outage.cluster.workers[-1]
        found = f"{self._outage.ready(added)}, {self._outage.pods_back(added)}"
        self._everywhere()
        return found

    def added_page(self) -> str:
        return self._page(self._outage.cluster.workers[-1])

    def power_cut(self) -> str:
        self._outage.remember()
        self._outage.cut(self._outage.cluster.nodes)
        self._outage.power_on(self._outage.cluster.nodes)
        return f"{len(self._outage.machines)} machines run again"

    def nodes_ready(self) -> str:
        for node in self._outage.cluster.nodes:
            self._outage.back(node)
        return Readiness(self._outage.cluster, self._kubectl).nodes()

    def pods_back(self) -> str:
        for node in self._outage.cluster.nodes:
            self._outage.pods_back(node)
        return self._everywhere()

    def _everywhere(self) -> str:
        """kube-proxy and the pod network on each node that there is now: a node that lacks one has all pods Ready, too."""
        for check in Readiness(self._outage.cluster, self._kubectl).workloads():
            check.look()
        return f"kube-proxy on {len(self._outage.cluster.nodes)} nodes, CoreDNS and the pod network whole"

    def pages(self) -> str:
        return "; ".join(self._page(node) for node in self._outage.cluster.nodes)

    def _page(self, node: Node) -> str:
        return Smoke(self._outage.cluster, self._kubectl, self._patience).page_of(node)()
