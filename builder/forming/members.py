"""etcd's members, as the join of a further master needs them, and a node that is one no more."""

import time

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.forming.readiness import Readiness
from builder.progress import note, step

QUICK = 2.0
"""Seconds that kubeadm gives etcd for a connection and for an answer, whatever the machine's speed: one connection that takes
longer ends its join (etcdTimeout in cmd/kubeadm/app/util/etcd/etcd.go). Here it is the API server that asks etcd."""

ANSWERS = 2
"""So many in a row have to come in that time."""

PATIENCE = 120
"""Seconds, however slow the machine: one that stays slow is used as it is."""

_PEERS = 2380


class Members:
    def __init__(self, cluster: Cluster, scale: float) -> None:
        self._kubectl, self._scale = Kubectl(cluster), scale
        self._readiness = Readiness(cluster, self._kubectl)

    def await_quick(self) -> None:
        """Waits until etcd has room for another: a control plane that just came up is busy. A slow one is used as it is."""
        with step("Waiting until etcd answers at once"):
            try:
                poll(self._quick, Deadline.after(PATIENCE), what="etcd", interval=3)
            except CheckError:
                note("etcd is slow to answer, and kubeadm's patience with it can't be set")

    def _quick(self) -> bool | None:
        try:
            return True if all(self._answers() <= QUICK for _ in range(ANSWERS)) else None
        except NotYet:
            return None

    def _answers(self) -> float:
        """After how many seconds the API server tells that etcd is well; a command beside etcd would be load of its own."""
        begin = time.monotonic()
        self._kubectl.text("get", "--raw", "/readyz/etcd")
        return time.monotonic() - begin

    def forget(self, node: Node) -> None:
        """Takes the node out of the cluster again, as far as it got: a node that is ready can't join by that name, and etcd would
        count on its member. Raises CheckError where the cluster can't be asked."""
        poll(lambda: self._forgotten(node), Deadline.after(120, scale=self._scale), what=f"the cluster without {node.name}")

    def _forgotten(self, node: Node) -> bool | None:
        try:
            self._kubectl.text("delete", "node", node.name, "--ignore-not-found")
            for identity, *rest in self._readiness.members():
                if f"https://{node.address}:{_PEERS}" in rest:
                    self._readiness.etcdctl("member", "remove", identity)
        except NotYet:
            return None
        return True
