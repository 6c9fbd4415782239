"""What a cluster must do for its users, at the least: a Deployment behind a NodePort, seen from the host, and DNS in a pod."""

import re
import secrets
from collections.abc import Callable
from pathlib import Path

from builder.acceptance.manifest import apply
from builder.acceptance.web import PAGE, demand_page, fetch, refused
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError
from builder.forming.objects import demand_ready, pod_reason, rolled_out
from builder.run import last_line

_MANIFEST = Path(__file__).with_name("smoke.yml")

# BusyBox' nslookup names what it found, then its addresses; the DNS server's own stand before (networking/nslookup.c).
_ADDRESS = re.compile(r"^Address(?: \d+)?:\s*(\S+)", re.MULTILINE)
_KUBERNETES = "kubernetes.default.svc.cluster.local"


class Smoke:
    """Each method is the look of one check; the manifest is applied by the first. patience: seconds that one answer may take.

    What is asked of nginx carries a word of this run, so that nginx's own log can tell that it was asked.
    """

    def __init__(self, cluster: Cluster, kubectl: Kubectl, patience: float = 20.0) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._patience = patience
        self._word = secrets.token_hex(4)

    def checks(self) -> list[Check]:
        pages = [
            Check("A12", f"nginx's page through the NodePort of {node.name}", self.page_of(node), 60)
            for node in self._cluster.nodes
        ]
        return [
            Check("S1", "the test's objects are accepted", self.apply, 60),
            Check("S2", "nginx Deployment Available", self.available, 180),
            *pages,
            Check("A12n", "a NodePort that nobody serves is refused by each node", self.closed, 30),
            Check("S3", "the client pod is Ready", self.client, 120),
            Check("A14a", "kubernetes.default resolves in a pod", self.lookup, 90),
            Check("A14b", "nginx answers a pod by its Service's name", self.by_name, 90),
            Check("A14c", "a name that is not there does not resolve", self.no_such_name, 60),
            Check("A20", "logs of a pod hold its requests", self.logs, 60),
        ]

    def apply(self) -> str:
        return apply(self._kubectl, _MANIFEST.read_text())

    def available(self) -> str:
        try:
            return rolled_out(self._kubectl.get("deployment", "nginx", "-n", "smoke"), 1)
        except NotYet as reason:
            pods = self._kubectl.items("pods", "-n", "smoke", "-l", "app=nginx")
            raise NotYet("; ".join([str(reason), *map(pod_reason, pods)])) from reason

    def page_of(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            demand_page(fetch(node.ports.http, self._path(node.name), self._patience))
            return f"127.0.0.1:{node.ports.http} shows {PAGE!r}"

        return look

    def _path(self, asker: str) -> str:
        return f"/?{self._word}-{asker}"

    def closed(self) -> str:
        """Beside an open port of the same node, since a node that is dead refuses nothing."""
        for node in self._cluster.nodes:
            self.page_of(node)()
            refused(node.ports.closed, self._patience)
        return f"{len(self._cluster.nodes)} nodes refuse it"

    def client(self) -> str:
        pod = self._kubectl.get("pod", "client", "-n", "smoke")
        demand_ready(pod)
        return f"Ready at {pod['status'].get('podIP')}"

    def in_client(self, *words: str) -> str:
        return self._kubectl.text("exec", "-n", "smoke", "client", "--", *words)

    def lookup(self) -> str:
        """The name leads to the address that the API server gave to the Service."""
        expected = self._kubectl.get("service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
        found = _ADDRESS.findall(self.in_client("nslookup", _KUBERNETES).partition("Name:")[2])
        if found != [expected]:
            raise NotYet(f"{_KUBERNETES} is {found or 'nowhere'}, its Service has {expected}")
        return f"{_KUBERNETES} is {expected}"

    def by_name(self) -> str:
        url = f"http://nginx.smoke.svc.cluster.local{self._path('client')}"
        demand_page(self.in_client("curl", "-sS", "--max-time", f"{self._patience:.0f}", url))
        return f"http://nginx shows {PAGE!r}"

    def no_such_name(self) -> str:
        """The DNS server says that there is none; one that says nothing proves nothing, so it is asked for another name first."""
        self.lookup()
        done = self._kubectl.run("exec", "-n", "smoke", "client", "--", "nslookup", "nobody.smoke.svc.cluster.local")
        if done.code == 0:
            raise CheckError(f"a Service that does not exist resolved: {done.stdout[-80:]!r}")
        if "NXDOMAIN" not in done.stdout + done.stderr:
            raise NotYet(last_line(done.stdout) or last_line(done.stderr) or f"exit code {done.code}")
        return "NXDOMAIN, as it must"

    def logs(self) -> str:
        """nginx itself tells of each request of this run."""
        text = self._kubectl.text("logs", "-n", "smoke", "deployment/nginx")
        askers = [*(node.name for node in self._cluster.nodes), "client"]
        if missing := [asker for asker in askers if f'"GET {self._path(asker)} ' not in text]:
            raise NotYet(f"no request of {', '.join(missing)} in nginx's log")
        return f"{len(askers)} askers in nginx's log"
