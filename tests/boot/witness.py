"""What lets others into a cluster that runs, as the cluster itself tells it, and a look for it in all that a run leaves."""

import base64
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from secrets_found import kinds_in, secrets_found

from builder.acceptance.run import BUNDLE, Run, Suite
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.deadline import Deadline
from builder.forming.tokens import bootstrap_token

_KEYS = ("/var/lib/kubeadm/pki/ca.key", "/var/lib/kubeadm/pki/sa.key", "/var/lib/kubeadm/pki/etcd/ca.key")
_CONFIG = "/run/config/kubeadm/kubeadm.yaml"
_TOKEN = re.compile(rb"[a-z0-9]{6}\.[a-z0-9]{16}")


@dataclass
class Witness:
    """Learns a cluster's secrets while it runs. known: their bytes, by what they are."""

    known: dict[str, bytes] = field(default_factory=dict)

    def watched(self, suite: Suite) -> Suite:
        """The suite with one check more, which learns them and collects the diagnostics that a failed run would leave."""
        return replace(suite, checks=lambda run: [*suite.checks(run), Check("W1", "secrets are known", lambda: self._learn(run))])

    def _learn(self, run: Run) -> str:
        self.known["the administrator's key"] = der(admin_key(run.cluster))
        shell = run.machines[run.cluster.masters[0].name].shell()
        for path in _KEYS:
            self.known[path] = der(shell.read_file(path, Deadline.after(30, scale=run.scale)))
        (used,) = set(_TOKEN.findall(shell.read_file(_CONFIG, Deadline.after(30, scale=run.scale))))
        self.known["the token of kubeadm init"] = used
        with bootstrap_token(run.kubectl, run.scale):
            for number, token in enumerate(_tokens(run.kubectl)):
                self.known[f"bootstrap token {number}"] = token
            run.collect()
        return f"{len(self.known)} secrets"

    def leaks(self, cluster: Cluster, results: Path) -> list[str]:
        """Where they, and what looks like one, are in what a run left: of the cluster's folder, and of its results.

        The kubeconfig is what a user gets. What the folder was given (media, kubectl) was there before any secret was, and a
        node's own disk is where a cluster keeps them.
        """
        given = {cluster.kubectl, *cluster.media.values(), cluster.kubeconfig}
        disks = {node.directory / "state.img" for node in cluster.nodes}
        left = secrets_found(cluster.directory, lambda path: path not in given | disks, self.known)
        return [*left, *secrets_found(results, known=self.known)]

    def proven(self, cluster: Cluster, results: Path) -> None:
        """The look itself sees each of them, where it is planted as a run might leave it."""
        assert len([name for name in self.known if name.startswith("bootstrap token")]) >= 1, self.known.keys()
        assert {"a private key", "the administrator's key"} <= kinds_in(cluster.kubeconfig.read_bytes(), self.known)
        assert (results / BUNDLE).stat().st_size > 10_000, "what was looked through holds something"
        planted = results / "planted.log"
        planted.write_bytes(b"".join(b"said: " + base64.encodebytes(secret) + b"\n" for secret in self.known.values()))
        found = secrets_found(results, lambda path: path == planted, self.known)
        planted.unlink()
        assert {f"planted.log: {name}" for name in self.known} <= set(found)


def admin_key(cluster: Cluster) -> bytes:
    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    return base64.b64decode(user["client-key-data"])


def der(pem: bytes) -> bytes:
    """The key's bytes, which PEM wraps in base64 (RFC 7468)."""
    return base64.b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-----")))


def _tokens(kubectl: Kubectl) -> list[bytes]:
    """The tokens that the API server takes now."""
    found = [item for item in kubectl.items("secrets", "-n", "kube-system") if item["type"] == "bootstrap.kubernetes.io/token"]
    if not found:
        raise NotYet("the API server knows no bootstrap token")
    parts = [[base64.b64decode(item["data"][f"token-{part}"]) for part in ("id", "secret")] for item in found]
    return [b".".join(each) for each in parts]
