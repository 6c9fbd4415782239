"""What a cluster of several masters must survive: the loss of one of them, and its return."""

from builder.acceptance.outage import Outage
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine


class Failover:
    """Each method is the look of one check. The first master is the one that is lost: it made the cluster, and is asked first."""

    def __init__(self, cluster: Cluster, machines: dict[str, Machine], kubectl: Kubectl) -> None:
        self._lost = cluster.masters[0]
        self._kubectl = kubectl
        self._outage = Outage(cluster, machines, kubectl)
        self._readiness = Readiness(cluster, kubectl)

    def checks(self) -> list[Check]:
        lost = self._lost.name
        return [
            Check("H1", f"{lost} loses power", self.cut, once=True),
            Check("H2", "the API answers through another master", self.answers, 120),
            Check("H3", "etcd has a majority, and takes writes", self.etcd, 120),
            Check("H4", "a new pod is made, scheduled and Ready", self.scale, 300),
            Check("H5", f"{lost} is seen as NotReady", lambda: self._outage.gone(self._lost), 240),
            Check("H6", f"{lost} is started again", self.start, once=True),
            Check("H7", f"{lost} is Ready again", lambda: self._outage.back(self._lost), 300),
            Check("H8", "etcd is healthy again, one member for each master", self._readiness.etcd, 180),
            Check("H9", "control-plane pods Ready again on each master", self._readiness.control_plane, 240),
        ]

    def cut(self) -> str:
        self._outage.remember()
        self._outage.cut([self._lost])
        return f"{len(self._outage.machines)} machines are left"

    def answers(self) -> str:
        told = self._readiness.api()
        if self._kubectl.master == self._lost.name:
            raise NotYet(f"the one that answered {told!r} is {self._lost.name}, which has no power")
        return f"{self._kubectl.master} says {told}"

    def etcd(self) -> str:
        """`endpoint health` of one member commits a proposal, which takes a majority of all."""
        return " ".join(self._readiness.etcdctl("endpoint", "health").split())

    def scale(self) -> str:
        """The Deployment's controller, the scheduler and a kubelet have to take part, with leaders elected anew."""
        self._kubectl.text("scale", "deployment/nginx", "-n", "smoke", "--replicas=2")
        status = self._kubectl.get("deployment", "nginx", "-n", "smoke")["status"]
        if status.get("availableReplicas", 0) != 2:
            raise NotYet(f"{status.get('availableReplicas', 0)} of 2 available, {status.get('replicas', 0)} made")
        return "2 of 2 available"

    def start(self) -> str:
        self._outage.power_on([self._lost])
        return "its services run"
