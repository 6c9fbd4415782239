"""What a cluster must do for its users, at the least: a Deployment behind a NodePort, seen from the host, and DNS in a pod."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from builder.checks import Check, NotYet
from builder.cluster.guestports import CLOSED_PORT
from builder.cluster.kubectl import Kubectl, last_line
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError
from builder.forming.readiness import name_of

_MANIFEST = Path(__file__).with_name("smoke.yml")
PAGE = "Welcome to nginx!"


class Smoke:
    """Each method is the look of one check; the manifest is applied by the first."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl) -> None:
        self._cluster = cluster
        self._kubectl = kubectl

    def checks(self) -> list[Check]:
        pages = [
            Check("A12", f"nginx's page through the NodePort of {node.name}", self.page_of(node), 60)
            for node in self._cluster.nodes
        ]
        return [
            Check("S1", "the test's objects are accepted", self.apply, 60),
            Check("S2", "nginx Deployment Available", self.available, 180),
            *pages,
            Check("A12n", "a NodePort that nobody serves fails", self.closed, 30),
            Check("S3", "the client pod is Ready", self.client, 120),
            Check("A14a", "kubernetes.default resolves in a pod", self._lookup("kubernetes.default.svc.cluster.local"), 90),
            Check("A14b", "nginx answers a pod by its Service's name", self.by_name, 90),
            Check("A14c", "a name that is not there does not resolve", self.no_such_name, 30),
            Check("A20", "logs of a pod hold its request", self.logs, 60),
        ]

    def apply(self) -> str:
        return last_line(self._kubectl.text("apply", "-f", str(_MANIFEST)))

    def available(self) -> str:
        status = self._kubectl.get("deployment", "nginx", "-n", "smoke")["status"]
        if status.get("availableReplicas", 0) != 1:
            pods = self._kubectl.items("pods", "-n", "smoke", "-l", "app=nginx")
            raise NotYet("; ".join(f"{name_of(pod)} {pod['status'].get('phase')}" for pod in pods) or "no pod yet")
        return "1 of 1 available"

    def page_of(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            body = fetch(node.ports.http)
            if PAGE not in body:
                raise NotYet(f"another page came back: {body[:60]!r}")
            return f"127.0.0.1:{node.ports.http} shows {PAGE!r}"

        return look

    def closed(self) -> str:
        node = self._cluster.nodes[0]
        try:
            body = fetch(node.ports.closed)
        except NotYet as refused:
            return f"as it must: {refused}"
        raise CheckError(f"port {CLOSED_PORT} answered although nobody serves it: {body[:60]!r}")

    def client(self) -> str:
        status = self._kubectl.get("pod", "client", "-n", "smoke")["status"]
        ready = [c for c in status.get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"]
        if not ready:
            raise NotYet(f"phase {status.get('phase')}")
        return f"Ready at {status.get('podIP')}"

    def in_client(self, *words: str) -> str:
        return self._kubectl.text("exec", "-n", "smoke", "client", "--", *words)

    def _lookup(self, name: str) -> Callable[[], str]:
        return lambda: " ".join(self.in_client("nslookup", name).split()[-4:])

    def by_name(self) -> str:
        body = self.in_client("curl", "-sS", "--max-time", "30", "http://nginx.smoke.svc.cluster.local/")
        if PAGE not in body:
            raise NotYet(f"another page came back: {body[:60]!r}")
        return f"http://nginx shows {PAGE!r}"

    def no_such_name(self) -> str:
        try:
            found = self.in_client("nslookup", "nobody.smoke.svc.cluster.local")
        except NotYet:
            return "as it must"
        raise CheckError(f"a Service that does not exist resolved: {found[-80:]!r}")

    def logs(self) -> str:
        text = self._kubectl.text("logs", "-n", "smoke", "deployment/nginx")
        hits = [line for line in text.splitlines() if "GET / " in line]
        if not hits:
            raise NotYet("no request in nginx's log yet")
        return f"{len(hits)} requests logged"


def fetch(port: int) -> str:
    """The page at http://127.0.0.1:port/; NotYet with the reason when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/", timeout=20) as answer:
            body: bytes = answer.read(65536)
    except (urllib.error.URLError, OSError) as error:
        raise NotYet(f"no answer: {error}") from error
    return body.decode(errors="replace")
