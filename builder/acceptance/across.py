"""What must work between the nodes: pods that reach each other without NAT, DNS from each node, and a user's daily tools."""

import ipaddress
import os
import re
import secrets
import select
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO

from builder.acceptance.inside import exit_code
from builder.acceptance.manifest import apply, by_node
from builder.acceptance.web import PAGE, demand_page, fetch
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.forming.objects import Object, demand_ready, name_of
from builder.run import spawn

_MANIFEST = Path(__file__).with_name("across.yml")
# BusyBox's nslookup leaves out the search list, so the short names are curl's to look up. /readyz needs no login.
_NAMES = (
    'nslookup kubernetes.default.svc.cluster.local && test "$(curl -skS --max-time {0} https://kubernetes.default/readyz)" = ok'
    " && curl -sS --max-time {0} http://nginx.smoke/"
)


class Across:
    """Each method is the look of one check, or makes such a look for a node or a pair of nodes.

    patience: seconds that one answer may take.
    """

    def __init__(self, cluster: Cluster, kubectl: Kubectl, patience: float = 30.0) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._patience = round(patience)
        self._word = secrets.token_hex(4)

    def checks(self) -> list[Check]:
        nodes = self._cluster.nodes
        pairs = [
            Check("A13b", f"a pod on {one.name} reaches one on {other.name}", self._reach(one, other), 90)
            for one, other in permutations(nodes, 2)
        ]
        lookups = [Check("A14d", f"DNS and a Service's name in a pod on {node.name}", self._names(node), 120) for node in nodes]
        return [
            Check("A13", "objects for every node are accepted", self.apply, 60),
            Check("A13a", "a web server and a client are Ready on each node, each at an address of its own", self.placed, 240),
            *pairs,
            *([Check("A13c", "web servers see the clients' own addresses", self.sources, 60)] if pairs else []),
            *lookups,
            Check("A20a", "exec gives back a command's exit code", self.exit_code, 60),
            Check("A20b", "port-forward leads to a pod", self.port_forward, 60),
            Check("A20c", "cp to a pod and back keeps every byte", self.copy, 90),
        ]

    def apply(self) -> str:
        return apply(self._kubectl, _MANIFEST.read_text())

    def placed(self) -> str:
        for app in ("web", "client"):
            self._placed(app)
        addresses = [pod["status"]["podIP"] for app in ("web", "client") for pod in self._pods(app).values()]
        if len(set(addresses)) != len(addresses):
            raise NotYet(f"two pods have the same address: {sorted(addresses)}")
        return ", ".join(sorted(addresses))

    def _placed(self, app: str) -> None:
        pods = self._pods(app)
        for node in self._cluster.nodes:
            if node.name not in pods:
                raise NotYet(f"no pod {app} on {node.name}")
            pod = pods[node.name]
            demand_ready(pod)
            if node.pods and ipaddress.ip_address(pod["status"]["podIP"]) not in ipaddress.ip_network(node.pods):
                raise NotYet(f"{name_of(pod)} has {pod['status']['podIP']}, which is not in {node.name}'s range {node.pods}")

    def _pods(self, app: str) -> dict[str, Object]:
        """The pods of the DaemonSet by the name of their node."""
        return by_node(self._kubectl, "across", app)

    def _pod(self, app: str, node: Node) -> Object:
        pods = self._pods(app)
        if node.name not in pods:
            raise NotYet(f"no pod {app} on {node.name}")
        return pods[node.name]

    def _page(self, node: Node, command: str) -> None:
        """Runs a command in the client pod on that node; what it prints last is nginx's page."""
        client = name_of(self._pod("client", node))
        told = self._kubectl.text("exec", "-n", "across", client, "--", "sh", "-c", command)
        if PAGE not in told:
            raise NotYet(f"another page came back: {told[-60:]!r}")

    def _reach(self, one: Node, other: Node) -> Callable[[], str]:
        def look() -> str:
            address = self._pod("web", other)["status"]["podIP"]
            self._page(one, f"ping -c 1 -w {self._patience} {address} && curl -sS --max-time {self._patience} http://{address}/")
            return f"{address} answers ping and HTTP"

        return look

    def sources(self) -> str:
        """Each web server tells the addresses that its clients on the other nodes had."""
        clients = {node.name: self._pod("client", node)["status"]["podIP"] for node in self._cluster.nodes}
        for node in self._cluster.nodes:
            log = self._kubectl.text("logs", "-n", "across", name_of(self._pod("web", node)))
            seen = {line.split()[0] for line in log.splitlines() if '"GET / ' in line}
            if hidden := [name for name in clients if name != node.name and clients[name] not in seen]:
                raise NotYet(f"{node.name} saw no request of {', '.join(hidden)} as its own: {sorted(seen)}")
        return f"{len(clients)} clients were seen as themselves"

    def _names(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            self._page(node, _NAMES.format(self._patience))
            return "kubernetes.default.svc.cluster.local, kubernetes.default and nginx.smoke answer"

        return look

    def exit_code(self) -> str:
        return exit_code(self._kubectl, "-n", "across", name_of(self._pod("client", self._cluster.nodes[-1])))

    def port_forward(self) -> str:
        """The request carries a word of this run, so that the pod's own log can tell that it came there."""
        pod = name_of(self._pod("web", self._cluster.nodes[-1]))
        argv = self._kubectl.argv("port-forward", "-n", "across", f"pod/{pod}", ":80")
        with spawn(argv, stdin=DEVNULL, stdout=PIPE, env=self._kubectl.env) as forward:
            assert forward.stdout is not None
            told = _first_line(forward.stdout, 4 * self._patience)
            found = re.search(rb"127\.0\.0\.1:(\d+) ->", told)
            if not found:
                raise NotYet(f"kubectl port-forward said {told!r}")
            demand_page(fetch(int(found[1]), f"/?{self._word}", self._patience))
        if f'"GET /?{self._word} ' not in self._kubectl.text("logs", "-n", "across", pod):
            raise NotYet(f"the page came back, and {pod} saw no request for it")
        return f"{pod} shows {PAGE!r} through it"

    def copy(self) -> str:
        pod = name_of(self._pod("client", self._cluster.nodes[-1]))
        sent, back = self._cluster.directory / "sent", self._cluster.directory / "back"
        sent.write_bytes(os.urandom(100_000))
        try:
            self._kubectl.text("cp", str(sent), f"across/{pod}:/tmp/sent")
            self._kubectl.text("cp", f"across/{pod}:/tmp/sent", str(back))
            if not back.exists():
                raise NotYet("nothing came back")
            if back.read_bytes() != sent.read_bytes():
                raise NotYet("what came back differs")
        finally:
            sent.unlink()
            back.unlink(missing_ok=True)
        return "100 kB came back as they went"


def _first_line(output: IO[bytes], seconds: float) -> bytes:
    """The first line of a program's output; empty when it ends or says nothing for so long."""
    ready, _, _ = select.select([output], [], [], seconds)
    return output.readline() if ready else b""
