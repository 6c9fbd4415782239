"""What a cluster of several masters must survive: the loss of one of them, and its return."""

import secrets
from collections.abc import Sequence

from builder.acceptance.outage import Outage
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.forming.objects import Object, is_true, name_of, pod_reason
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine


class Failover:
    """Each method is the look of one check. The first master is the one that is lost: it made the cluster, and is asked first."""

    def __init__(self, cluster: Cluster, machines: dict[str, Machine], kubectl: Kubectl) -> None:
        self._lost = cluster.masters[0]
        self._kubectl = kubectl
        self._outage = Outage(cluster, machines, kubectl)
        self._readiness = Readiness(cluster, kubectl)
        self._word = secrets.token_hex(4)
        self._pods: set[str] = set()

    def checks(self) -> list[Check]:
        lost = self._lost.name
        return [
            Check("H1", f"{lost} loses power", self.cut, once=True),
            Check("H2", "the API answers through another master", self.answers, 120),
            Check("H3", "etcd has a majority, and takes writes", self.etcd, 120),
            Check("H4", "a new pod is made, scheduled elsewhere and Ready", self.scale, 300),
            Check("H5", f"{lost} is seen as NotReady", lambda: self._outage.gone(self._lost), 240),
            Check("H6", f"{lost} is started again", self.start, once=True),
            Check("H7", f"{lost} is Ready again", lambda: self._outage.back(self._lost), 300),
            Check("H8", "etcd is healthy again, one member for each master", self._readiness.etcd, 180),
            Check("H9", "control-plane pods Ready again on each master", self.control_plane, 240),
        ]

    def cut(self) -> str:
        self._outage.remember()
        self._pods = {pod["metadata"]["uid"] for pod in self._nginx()}
        self._outage.cut([self._lost])
        return f"{len(self._outage.machines)} machines are left"

    def answers(self) -> str:
        told = self._readiness.api()
        if self._kubectl.master == self._lost.name:
            raise NotYet(f"the one that answered {told!r} is {self._lost.name}, which has no power")
        return f"{self._kubectl.master} says {told}"

    def etcd(self) -> str:
        """A value is written and read back, which takes a majority of all members twice."""
        key = f"kubeiso-test/{self._word}"
        self._readiness.etcdctl("put", key, self._word)
        if (told := self._readiness.etcdctl("get", "--print-value-only", key).strip()) != self._word:
            raise NotYet(f"{told!r} came back, not what was written")
        self._readiness.etcdctl("del", key)
        return "a value was written and read back"

    def scale(self) -> str:
        """The Deployment's controller, the scheduler and a kubelet have to take part, with leaders elected anew."""
        self._kubectl.text("scale", "deployment/nginx", "-n", "smoke", "--replicas=2")
        new = [pod for pod in self._nginx() if pod["metadata"]["uid"] not in self._pods]
        ready = [pod for pod in new if is_true(pod, "Ready") and pod["spec"].get("nodeName") not in ("", None, self._lost.name)]
        if not ready:
            raise NotYet("; ".join(map(pod_reason, new)) or "no new pod yet")
        return f"{name_of(ready[0])} on {ready[0]['spec']['nodeName']}"

    def _nginx(self) -> Sequence[Object]:
        return self._kubectl.items("pods", "-n", "smoke", "-l", "app=nginx")

    def control_plane(self) -> str:
        self._outage.pods_back(self._lost)
        return self._readiness.control_plane()

    def start(self) -> str:
        self._outage.power_on([self._lost])
        return "its services run"
