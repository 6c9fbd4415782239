"""etcd's members, as the join of a further master needs them."""

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.forming.readiness import Readiness
from builder.progress import note, step

QUICK = ("--dial-timeout=1s", "--command-timeout=1s")
"""Half of what kubeadm gives etcd for a connection and for an answer, whatever the machine's speed: one connection that takes
longer ends its join (etcdTimeout in cmd/kubeadm/app/util/etcd/etcd.go)."""

ANSWERS = 2
"""So many in a row have to come in that time."""

_PEERS = 2380


class Members:
    def __init__(self, cluster: Cluster, scale: float) -> None:
        self._readiness, self._scale = Readiness(cluster, Kubectl(cluster)), scale

    def await_quick(self) -> None:
        """Waits until etcd has room for another: a control plane that just came up is busy. A slow one is used as it is."""
        with step("Waiting until etcd answers at once"):
            try:
                poll(self._quick, Deadline.after(30, scale=self._scale), what="etcd", interval=3)
            except CheckError:
                note("etcd is slow to answer, and kubeadm's patience with it can't be set")

    def _quick(self) -> bool | None:
        try:
            for _ in range(ANSWERS):
                self._readiness.etcdctl(*QUICK, "endpoint", "health")
        except NotYet:
            return None
        return True

    def forget(self, node: Node) -> None:
        """Takes the node's member out again, if there is one. Raises CheckError where etcd can't be asked."""
        poll(
            lambda: self._forgotten(f"https://{node.address}:{_PEERS}"),
            Deadline.after(60, scale=self._scale),
            what="etcd's members",
        )

    def _forgotten(self, peer: str) -> bool | None:
        try:
            for line in self._readiness.etcdctl("member", "list").splitlines():
                identity, *rest = line.split(", ")
                if peer in rest:
                    self._readiness.etcdctl("member", "remove", identity)
        except NotYet:
            return None
        return True
