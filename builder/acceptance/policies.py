"""NetworkPolicy: what a policy forbids is not answered, on one node and between two, and what it allows goes on."""

from collections.abc import Callable
from pathlib import Path

import yaml

from builder.acceptance.manifest import apply, by_node
from builder.acceptance.web import PAGE
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.forming.objects import Object, demand_ready, name_of

_MANIFEST = Path(__file__).with_name("policies.yml")
SPACE = "policies"
FRIEND, STRANGER, WEB = "friend", "stranger", "web"
# curl's exit codes for a connection that was refused, and for one that was not answered in time.
_FORBIDDEN = ("7", "28")
_ASK = (
    "for to in {addresses}; do (answer=$(curl -s --max-time {seconds} http://$to/); code=$?; "
    'case $answer in *"{page}"*) code=page;; esac; echo "$to $code") & done; wait'
)
_FRIENDS_ALONE = {
    "podSelector": {"matchLabels": {"app": WEB}}, "policyTypes": ["Ingress"],
    "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": FRIEND}}}]}],
}  # fmt: skip
_DNS_ALONE = {
    "podSelector": {"matchLabels": {"app": STRANGER}}, "policyTypes": ["Egress"],
    "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
}  # fmt: skip


class Policies:
    """Each method is the look of one check. patience: seconds that one answer may take.

    A stranger that is not answered proves nothing by itself: the server answers a friend within these seconds, before and after.
    """

    def __init__(self, cluster: Cluster, kubectl: Kubectl, patience: float = 20.0) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._patience = round(patience)

    def checks(self) -> list[Check]:
        return [
            Check("NP1", "objects for every node are accepted", self.apply, 60),
            Check("NP2", "a web server, a friend and a stranger are Ready on each node", self.placed, 240),
            Check("NP3", "without a policy every pod reaches every web server", self.open, 120),
            Check("NP4", "a policy for who may ask the web servers is accepted", self.policy(_FRIENDS_ALONE), 60),
            Check("NP5", "friends reach every web server, strangers none", self.strangers_out, 180),
            Check("NP6", "a policy for whom strangers may ask is accepted", self.policy(_DNS_ALONE), 60),
            Check("NP7", "strangers reach the DNS server and no web server, friends reach them", self.dns_alone, 180),
            Check("NP8", "the policy is removed", self.lift, 60),
            Check("NP9", "without a policy every pod reaches every web server again", self.open, 180),
        ]

    def apply(self) -> str:
        return apply(self._kubectl, _MANIFEST.read_text())

    def policy(self, spec: Object) -> Callable[[], str]:
        named = {"name": "proof", "namespace": SPACE}
        made = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": named, "spec": spec}
        return lambda: apply(self._kubectl, yaml.safe_dump(made))

    def lift(self) -> str:
        self._kubectl.text("delete", "networkpolicy", "proof", "-n", SPACE, "--ignore-not-found")
        if left := self._kubectl.text("get", "networkpolicies", "-n", SPACE, "-o", "name").strip():
            raise NotYet(f"{left} is still there")
        return "no policy is left"

    def placed(self) -> str:
        for app in (WEB, FRIEND, STRANGER):
            for pod in self.pods(app):
                demand_ready(pod)
        return ", ".join(self._addresses())

    def pods(self, app: str) -> list[Object]:
        """One of each node, in the cluster's order."""
        found = by_node(self._kubectl, SPACE, app)
        if missing := [node.name for node in self._cluster.nodes if node.name not in found]:
            raise NotYet(f"no pod {app} on {', '.join(missing)}")
        return [found[node.name] for node in self._cluster.nodes]

    def _addresses(self) -> list[str]:
        return [pod["status"]["podIP"] for pod in self.pods(WEB)]

    def asked(self, pod: Object) -> dict[str, str]:
        """What came of asking every web server from that pod: address -> "page", or curl's exit code."""
        command = _ASK.format(addresses=" ".join(self._addresses()), seconds=self._patience, page=PAGE)
        told = self._kubectl.text("exec", "-n", SPACE, name_of(pod), "--", "sh", "-c", command)
        return dict(line.split(" ", 1) for line in told.splitlines())

    def _demand(self, app: str, *wanted: str) -> None:
        """Raises NotYet unless each asking of each of these pods came to one of `wanted`."""
        addresses = self._addresses()
        for pod in self.pods(app):
            found = self.asked(pod)
            for address in addresses:
                if (seen := found.get(address, "nothing")) not in wanted:
                    raise NotYet(f"{name_of(pod)} asked {address} and got {_words(seen)}")

    def open(self) -> str:
        self._demand(FRIEND, "page")
        self._demand(STRANGER, "page")
        return f"{2 * len(self._cluster.nodes)} pods reach {len(self._cluster.nodes)} web servers"

    def strangers_out(self) -> str:
        self._demand(FRIEND, "page")
        self._demand(STRANGER, *_FORBIDDEN)
        self._demand(FRIEND, "page")
        return f"{len(self._cluster.nodes)} friends are answered, as many strangers are not"

    def dns_alone(self) -> str:
        for pod in self.pods(STRANGER):
            self._kubectl.text("exec", "-n", SPACE, name_of(pod), "--", "nslookup", "kubernetes.default.svc.cluster.local")
        return self.strangers_out()


def _words(seen: str) -> str:
    return PAGE if seen == "page" else f"curl's exit code {seen}"
