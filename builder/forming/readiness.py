"""Checks of a cluster's own parts, after facts of kubeadm v1.36: what must be Ready, in which number, by which name."""

from collections.abc import Callable, Iterable
from typing import Any

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Workload

Object = dict[str, Any]
_STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ETCDCTL = (
    "etcdctl", "--dial-timeout=30s", "--command-timeout=45s", "--endpoints=https://127.0.0.1:2379",
    "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
)  # fmt: skip


def condition(item: Object, kind: str) -> Object:
    """The object's condition of that type, or an empty one."""
    conditions = item.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def is_true(item: Object, kind: str) -> bool:
    return bool(condition(item, kind).get("status") == "True")


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def pressure(node: Object) -> str:
    """What a node is short of, in its kubelet's words, such as "DiskPressure: kubelet has disk pressure"; empty while nothing."""
    told = node.get("status", {}).get("conditions") or []
    return "; ".join(f"{c['type']}: {c.get('message')}" for c in told if c["type"].endswith("Pressure") and c["status"] == "True")


def pod_reason(pod: Object) -> str:
    """Why a pod is not Ready, in the words of its containers, of the kubelet that threw it out, or of the scheduler."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        for state in ("waiting", "terminated"):
            if state in status.get("state", {}):
                return f"{name_of(pod)}: {status['state'][state].get('reason', state)}"
    status = pod.get("status", {})
    told = status.get("message") or condition(pod, "PodScheduled").get("message") or condition(pod, "Ready").get("reason")
    return f"{name_of(pod)}: {told or status.get('phase', 'unknown')}"


class Readiness:
    """Each method is the look of one check."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def checks(self) -> list[Check]:
        workloads = self._cluster.workloads
        return [
            Check("A6b", "the API server answers /readyz", self.api, 120),
            Check("T1", "the Service kubernetes has an address", self._service("kubernetes", "default"), 60),
            Check("T2", "the Service kube-dns has an address", self._service("kube-dns", "kube-system"), 60),
            Check("A8", f"all {len(self._cluster.nodes)} nodes Ready, by name", self.nodes, 180),
            Check("A9", "every node takes pods", self.schedulable, 60),
            Check("A11", "etcd is healthy, one member for each master", self.etcd, 90),
            Check("A10a", "control-plane pods Ready on each master", self.control_plane, 120),
            Check("A10b", "kube-proxy at its desired count", self.kube_proxy, 120),
            *(Check("A10n", f"{workload.name} at its desired count", self._network(workload), 180) for workload in workloads),
            Check("A10c", "CoreDNS at its desired count", self.coredns, 180),
        ]

    def api(self) -> str:
        return self._kubectl.text("get", "--raw", "/readyz").strip()

    def _service(self, name: str, namespace: str) -> Callable[[], str]:
        return lambda: str(self._kubectl.get("service", name, "-n", namespace)["spec"]["clusterIP"])

    def nodes(self) -> str:
        wanted = {node.name for node in self._cluster.nodes}
        found = {name_of(node): node for node in self._kubectl.items("nodes")}
        if set(found) != wanted:
            raise NotYet(f"registered are {sorted(found) or 'none'}, wanted {sorted(wanted)}")
        for name, node in sorted(found.items()):
            if not is_true(node, "Ready"):
                raise NotYet(f"{name}: {condition(node, 'Ready').get('message') or 'no Ready condition yet'}")
            if short := pressure(node):
                raise NotYet(f"{name}: {short}")
        return f"{', '.join(sorted(found))} Ready"

    def schedulable(self) -> str:
        masters = {node.name for node in self._cluster.masters}
        alone = len(self._cluster.nodes) == len(masters)
        for node in self._kubectl.items("nodes"):
            taints = [t["key"] for t in node["spec"].get("taints", []) if t["effect"] in ("NoSchedule", "NoExecute")]
            expected = ["node-role.kubernetes.io/control-plane"] if name_of(node) in masters and not alone else []
            if node["spec"].get("unschedulable") or taints != expected:
                raise NotYet(f"{name_of(node)} has taints {taints or 'none'}, expected {expected or 'none'}")
        return "no node is cordoned or tainted beyond its role"

    def etcd(self) -> str:
        masters = [node.name for node in self._cluster.masters]
        health = self.etcdctl("endpoint", "health", "--cluster")
        members = self.etcdctl("member", "list")
        names = sorted(line.split(", ")[2] for line in members.splitlines() if line.count(", ") >= 2)
        if names != sorted(masters):
            raise NotYet(f"members are {names}, masters are {masters}")
        return " ".join(health.split())

    def etcdctl(self, *words: str) -> str:
        """What etcdctl says in the etcd of the master that is asked."""
        return self._kubectl.text("exec", "-n", "kube-system", f"etcd-{self._kubectl.master}", "--", *_ETCDCTL, *words)

    def control_plane(self) -> str:
        wanted = [f"{part}-{node.name}" for node in self._cluster.masters for part in _STATIC]
        return self._pods_ready(wanted)

    def _pods_ready(self, wanted: Iterable[str]) -> str:
        pods = {name_of(pod): pod for pod in self._kubectl.items("pods", "-n", "kube-system")}
        for name in wanted:
            if name not in pods:
                raise NotYet(f"{name} is not there")
            if not is_true(pods[name], "Ready"):
                raise NotYet(pod_reason(pods[name]))
        return f"{', '.join(wanted)} Ready"

    def kube_proxy(self) -> str:
        status = self._kubectl.get("daemonset", "kube-proxy", "-n", "kube-system")["status"]
        desired, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        if desired != len(self._cluster.nodes) or ready != desired:
            raise NotYet(f"{ready} of {desired} ready, wanted {len(self._cluster.nodes)}")
        return f"{ready} of {desired} ready"

    def _network(self, workload: Workload) -> Callable[[], str]:
        def look() -> str:
            status = self._kubectl.get(workload.kind, workload.name, "-n", workload.namespace)["status"]
            desired = status.get("desiredNumberScheduled", status.get("replicas", 0))
            ready = status.get("numberReady", status.get("readyReplicas", 0))
            if not desired or ready != desired:
                raise NotYet(f"{ready} of {desired} ready")
            return f"{ready} of {desired} ready"

        return look

    def coredns(self) -> str:
        deployment = self._kubectl.get("deployment", "coredns", "-n", "kube-system")
        desired, ready = deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)
        if ready != desired:
            pods = self._kubectl.items("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
            reasons = [pod_reason(pod) for pod in pods if not is_true(pod, "Ready")]
            raise NotYet(f"{ready} of {desired} ready: {'; '.join(reasons)}")
        return f"{ready} of {desired} ready"
