"""A cluster in which all is well, as kubectl shows it; a test takes one thing of it away."""

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from builder.checks import NotYet
from builder.cluster.model import Cluster, Node
from builder.run import Completed

Object = dict[str, Any]
KUBERNETES_IP, DNS_IP = "10.96.0.1", "10.96.0.10"
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
FOUND = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tkubernetes.default.svc.cluster.local\nAddress: 10.96.0.1\n\n"
NOBODY = (
    "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n"
    "** server can't find nobody.smoke.svc.cluster.local: NXDOMAIN\n\ncommand terminated with exit code 1\n"
)


def ready(status: str = "True") -> list[Object]:
    return [{"type": "Ready", "status": status, "message": "as told", "reason": "told"}]


def a_node(node: Node, taints: list[Object]) -> Object:
    status = {"conditions": ready(), "nodeInfo": {"bootID": f"boot-1-{node.name}"}}
    return {"metadata": {"name": node.name}, "spec": {"taints": taints}, "status": status}


def a_pod(name: str, node: str, namespace: str, app: str = "", address: str = "10.244.0.9") -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": {"app": app, "k8s-app": app}},
        "spec": {"nodeName": node},
        "status": {
            "conditions": ready(), "phase": "Running", "podIP": address,
            "containerStatuses": [{"name": "main", "containerID": f"containerd://1-{name}", "state": {"running": {}}}],
        },
    }  # fmt: skip


def a_deployment(name: str, count: int) -> Object:
    counts = {"replicas": count, "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count}
    return {
        "kind": "Deployment", "metadata": {"name": name, "generation": 1}, "spec": {"replicas": count},
        "status": {**counts, "observedGeneration": 1},
    }  # fmt: skip


def a_daemon_set(name: str, count: int) -> Object:
    names = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")
    status = {**dict.fromkeys(names, count), "observedGeneration": 1}
    return {"kind": "DaemonSet", "metadata": {"name": name, "generation": 1}, "spec": {}, "status": status}


def applied(manifest: str) -> str:
    """What kubectl tells of a manifest that was taken whole."""
    groups = {"Deployment": ".apps", "DaemonSet": ".apps"}
    items = list(yaml.safe_load_all(manifest))
    names = [f"{item['kind'].lower()}{groups.get(item['kind'], '')}/{item['metadata']['name']}" for item in items]
    return "".join(f"{name} created\n" for name in names)


class World:
    """What is used of Kubectl. `objects` by kind, namespace and name; `said` answers what is no object."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.master = cluster.masters[0].name
        self.scale = 1.0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.nodes = [a_node(node, self._taints(node)) for node in cluster.nodes]
        self.members = [f"id{i}, started, {node.name}, a, b, false" for i, node in enumerate(cluster.masters)]
        self.health = [f"https://{node.address}:2379 is healthy: successfully committed" for node in cluster.masters]
        self.readyz = "ok"
        self.values: dict[str, str] = {}
        self.lookups = {"kubernetes.default.svc.cluster.local": (0, FOUND), "nobody.smoke.svc.cluster.local": (1, NOBODY)}
        self.page = "<h1>Welcome to nginx!</h1>"
        self.logs: dict[str, str] = {}
        self.unreachable = ""
        self.applied: str | None = None
        self.files: dict[str, bytes] = {}
        self.copy: Callable[[str, str], tuple[int, str]] = self._copy
        self.forward: Sequence[str] = ("false",)
        self.env: dict[str, str] = {}
        self.exec: Callable[[Sequence[str]], tuple[int, str]] = self._exec
        self._fill()

    def _taints(self, node: Node) -> list[Object]:
        alone = len(self.cluster.nodes) == len(self.cluster.masters)
        taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
        return [taint] if node in self.cluster.masters and not alone else []

    def _fill(self) -> None:
        nodes = self.cluster.nodes
        self.put("service", "default", {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": KUBERNETES_IP}})
        self.put("service", "kube-system", {"metadata": {"name": "kube-dns"}, "spec": {"clusterIP": DNS_IP}})
        self.put("deployment", "kube-system", a_deployment("coredns", 2))
        self.put("daemonset", "kube-system", a_daemon_set("kube-proxy", len(nodes)))
        self.put("deployment", "smoke", a_deployment("nginx", 1))
        self.put("pod", "smoke", a_pod("client", nodes[-1].name, "smoke", "client"))
        self.put("pod", "smoke", a_pod("nginx-a", nodes[-1].name, "smoke", "nginx"))
        for node in self.cluster.masters:
            for part in STATIC:
                self.put("pod", "kube-system", a_pod(f"{part}-{node.name}", node.name, "kube-system"))
        for node in nodes:
            for app in ("web", "client"):
                offset = {"web": 10, "client": 11}[app]
                address = f"{node.pods.rpartition('.')[0]}.{offset}"
                self.put("pod", "across", a_pod(f"{app}-{node.name}", node.name, "across", app, address))
        for node in nodes:
            asked = [self.objects["pod", "across", f"client-{other.name}"]["status"]["podIP"] for other in nodes]
            self.logs[f"web-{node.name}"] = "".join(f'{address} - - [x] "GET / HTTP/1.1" 200\n' for address in asked)

    def put(self, kind: str, namespace: str, item: Object) -> None:
        self.objects[kind, namespace, item["metadata"]["name"]] = item

    # What is used of kubectl

    def get(self, *words: str) -> Object:
        kind, name, *rest = words
        self._reach()
        if kind == "node":
            return copy.deepcopy(next(node for node in self.nodes if node["metadata"]["name"] == name))
        found = self.objects.get((kind.lower(), rest[-1], name))
        if found is None:
            raise NotYet(f'{kind} "{name}" not found')
        return copy.deepcopy(found)

    def items(self, kind: str, *words: str) -> list[Object]:
        self._reach()
        if kind == "nodes":
            return copy.deepcopy(self.nodes)
        options = dict(pairwise(words))
        found = [item for (one, space, _), item in self.objects.items() if one == "pod" and options.get("-n", space) == space]
        if label := options.get("-l", ""):
            key, _, value = label.partition("=")
            found = [item for item in found if item["metadata"]["labels"].get(key) == value]
        if selector := options.get("--field-selector", ""):
            found = [item for item in found if item["spec"].get("nodeName") == selector.rpartition("=")[2]]
        return copy.deepcopy(found)

    def text(self, *words: str, input: str | None = None) -> str:
        done = self.run(*words, input=input)
        if done.code:
            raise NotYet((done.stderr or done.stdout).strip().splitlines()[-1])
        return done.stdout

    def run(self, *words: str, input: str | None = None) -> Completed:
        code, told = (1, self.unreachable) if self.unreachable else self._answer(words, input or "")
        return Completed(words, code, told, told if code else "")

    def argv(self, *words: str) -> Sequence[str]:
        assert words[0] == "port-forward"
        return self.forward

    def _copy(self, source: str, target: str) -> tuple[int, str]:
        """To a pod, or back from one."""
        if ":" in target:
            self.files[target] = Path(source).read_bytes()
        else:
            Path(target).write_bytes(self.files[source])
        return 0, ""

    def _reach(self) -> None:
        if self.unreachable:
            raise NotYet(self.unreachable)

    def _answer(self, words: Sequence[str], input: str) -> tuple[int, str]:
        match words:
            case ["get", "--raw", "/readyz"]:
                return 0, self.readyz
            case ["logs", "-n", _, pod]:
                return 0, self.logs.get(pod, "")
            case ["exec", *_]:
                return self.exec(words[words.index("--") + 1 :])
            case ["scale", *_]:
                return 0, "scaled"
            case ["apply", "-f", "-"]:
                return 0, self.applied if self.applied is not None else applied(input)
            case ["cp", source, target]:
                return self.copy(source, target)
        raise AssertionError(f"kubectl {words} is not foreseen")

    def _exec(self, command: Sequence[str]) -> tuple[int, str]:
        match command:
            case ["etcdctl", *_]:
                return self._etcdctl([word for word in command if not word.startswith("--")][1:])
            case ["nslookup", name]:
                return self.lookups[name]
            case ["curl", *_]:
                self.logs["deployment/nginx"] = self.logs.get("deployment/nginx", "") + self._logged(command[-1])
                return 0, self.page
            case ["sh", "-c", "echo kept; exit 42"]:
                return 42, "kept"
            case ["sh", "-c", _]:
                return 0, self.page
        raise AssertionError(f"{command} is not foreseen")

    @staticmethod
    def _logged(url: str) -> str:
        return f'10.244.0.9 - - [x] "GET /{url.partition("://")[2].partition("/")[2]} HTTP/1.1" 200\n'

    def _etcdctl(self, words: Sequence[str]) -> tuple[int, str]:
        match words:
            case ["member", "list"]:
                return 0, "\n".join(self.members)
            case ["endpoint", "health"]:
                return 0, "\n".join(self.health)
            case ["put", key, value]:
                self.values[key] = value
                return 0, "OK"
            case ["get", key]:
                return 0, self.values.get(key, "")
            case ["del", key]:
                return 0, str(len([self.values.pop(key, None)]))
        raise AssertionError(f"etcdctl {words} is not foreseen")
