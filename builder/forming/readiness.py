"""Checks of a cluster's own parts, after facts of kubeadm v1.36: what must be Ready, in which number, by which name."""

import ipaddress
from collections.abc import Callable, Iterable

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Workload
from builder.forming.objects import Object, condition, demand_ready, is_true, name_of, pod_reason, pressure, rolled_out

_STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ETCDCTL = (
    "etcdctl", "--endpoints=https://127.0.0.1:2379",
    "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
)  # fmt: skip


class Readiness:
    """Each method is the look of one check."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def checks(self) -> list[Check]:
        return [
            Check("A6b", "the API server answers /readyz", self.api, 120),
            Check("T1", "the Service kubernetes has an address", self._service("kubernetes", "default"), 60),
            Check("T2", "the Service kube-dns has an address", self._service("kube-dns", "kube-system"), 60),
            Check("A8", f"all {len(self._cluster.nodes)} nodes Ready, by name", self.nodes, 180),
            Check("A9", "every node takes pods", self.schedulable, 60),
            Check("A11", "etcd is healthy, one member for each master", self.etcd, 90),
            Check("A10a", "control-plane pods Ready on each master", self.control_plane, 120),
            *self.workloads(),
        ]

    def workloads(self) -> list[Check]:
        """What runs beside the control plane: on each node, or as often as it is asked for."""
        network = self._cluster.workloads
        return [
            Check("A10b", "kube-proxy at its desired count", self.kube_proxy, 120),
            *(Check("A10n", f"{workload.name} at its desired count", self._network(workload), 180) for workload in network),
            Check("A10c", "CoreDNS at its desired count", self.coredns, 180),
        ]

    def api(self) -> str:
        if (told := self._kubectl.text("get", "--raw", "/readyz").strip()) != "ok":
            raise NotYet(f"/readyz says {told[:60]!r}")
        return "ok"

    def _service(self, name: str, namespace: str) -> Callable[[], str]:
        def look() -> str:
            address = self._kubectl.get("service", name, "-n", namespace)["spec"].get("clusterIP", "")
            try:
                return str(ipaddress.ip_address(address))
            except ValueError as error:
                raise NotYet(f"its cluster IP is {address or 'none'}") from error

        return look

    def nodes(self) -> str:
        found = self._found()
        for name, node in sorted(found.items()):
            if not is_true(node, "Ready"):
                raise NotYet(f"{name}: {condition(node, 'Ready').get('message') or 'no Ready condition yet'}")
            if short := pressure(node):
                raise NotYet(f"{name}: {short}")
        return f"{', '.join(sorted(found))} Ready"

    def _found(self) -> dict[str, Object]:
        """The nodes that the API server knows, by name; NotYet unless they are the cluster's."""
        wanted = {node.name for node in self._cluster.nodes}
        found = {name_of(node): node for node in self._kubectl.items("nodes")}
        if set(found) != wanted:
            raise NotYet(f"registered are {sorted(found) or 'none'}, wanted {sorted(wanted)}")
        return found

    def schedulable(self) -> str:
        masters = {node.name for node in self._cluster.masters}
        alone = len(self._cluster.nodes) == len(masters)
        for node in self._found().values():
            taints = [t["key"] for t in node["spec"].get("taints", []) if t["effect"] in ("NoSchedule", "NoExecute")]
            expected = ["node-role.kubernetes.io/control-plane"] if name_of(node) in masters and not alone else []
            if node["spec"].get("unschedulable") or taints != expected:
                raise NotYet(f"{name_of(node)} has taints {taints or 'none'}, expected {expected or 'none'}")
        return "no node is cordoned or tainted beyond its role"

    def etcd(self) -> str:
        masters = [node.name for node in self._cluster.masters]
        rows = self.members()
        if (names := sorted(row[2] for row in rows)) != sorted(masters):
            raise NotYet(f"members are {names}, masters are {masters}")
        if wrong := [row[2] for row in rows if row[1] != "started" or row[-1] == "true"]:
            raise NotYet(f"not started, or learners still: {', '.join(wrong)}")
        health = self.etcdctl("endpoint", "health", "--cluster")
        if (healthy := health.count("is healthy")) != len(masters):
            raise NotYet(f"{healthy} of {len(masters)} members healthy: {' '.join(health.split())}")
        return f"{healthy} of {len(masters)} members healthy"

    def members(self) -> list[list[str]]:
        """Of each member its id, whether it is started, its name, peers' and clients' addresses, and whether it is a learner."""
        return [line.split(", ") for line in self.etcdctl("member", "list").splitlines() if line.count(", ") >= 2]

    def etcdctl(self, *words: str) -> str:
        """What etcdctl says in the etcd of the master that is asked."""
        return self._kubectl.text(
            "exec", "-n", "kube-system", f"etcd-{self._kubectl.master}", "--", *_ETCDCTL, *self._limits(), *words
        )

    def _limits(self) -> tuple[str, str]:
        """etcdctl's own, 2 and 5 s by default, on a node that is so much slower; half a minute at the least."""
        return (
            f"--dial-timeout={max(30, round(5 * self._kubectl.scale))}s",
            f"--command-timeout={max(45, round(8 * self._kubectl.scale))}s",
        )

    def control_plane(self) -> str:
        wanted = [f"{part}-{node.name}" for node in self._cluster.masters for part in _STATIC]
        return self._pods_ready(wanted)

    def _pods_ready(self, wanted: Iterable[str]) -> str:
        pods = {name_of(pod): pod for pod in self._kubectl.items("pods", "-n", "kube-system")}
        for name in wanted:
            if name not in pods:
                raise NotYet(f"{name} is not there")
            demand_ready(pods[name])
        return f"{', '.join(wanted)} Ready"

    def kube_proxy(self) -> str:
        return rolled_out(self._kubectl.get("daemonset", "kube-proxy", "-n", "kube-system"), len(self._cluster.nodes))

    def _network(self, workload: Workload) -> Callable[[], str]:
        return lambda: rolled_out(self._kubectl.get(workload.kind, workload.name, "-n", workload.namespace))

    def coredns(self) -> str:
        try:
            return rolled_out(self._kubectl.get("deployment", "coredns", "-n", "kube-system"))
        except NotYet as reason:
            pods = self._kubectl.items("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
            reasons = [pod_reason(pod) for pod in pods if not is_true(pod, "Ready")]
            raise NotYet("; ".join([str(reason), *reasons])) from reason
