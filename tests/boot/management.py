"""A management cluster of Cluster API on this host: an API server with its etcd, and the managers that make bootstrap data.

Its infrastructure provider is this module: clusters and machines of kinds of its own, which it says are there (Cluster API's
book, "Contract rules for InfraCluster" and "for InfraMachine").
"""

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from free_ports import free_ports

from builder.cluster.lifecycle import own_copy
from builder.components.registry import find
from builder.deadline import Deadline, poll
from builder.errors import KubeisoError
from builder.project import Project
from builder.run import run
from builder.store import Store

MANAGERS = ("core-manager", "kubeadm-bootstrap-manager")
GROUP = "infrastructure.cluster.x-k8s.io"
ENDPOINT = ("127.0.0.1", 7443)
"""Of the cluster to be: on its nodes their own balancer (pkg/api-balancer), on this host a way to the first master."""


@dataclass(frozen=True)
class Management:
    """The cluster's kubectl and kubeconfig; `folder` has its logs."""

    folder: Path
    kubectl: Path

    def call(self, *words: str, text: str = "") -> str:
        own = ("--kubeconfig", str(self.folder / "kubeconfig"), "--request-timeout=30s")
        return run([str(self.kubectl), *own, *words], input=text or None, timeout=60).stdout

    def apply(self, *documents: Mapping[str, Any]) -> None:
        self.call("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(documents))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("get", kind, name, "-o", "json"))
        return found

    def provided(self, kind: str, name: str) -> None:
        """Says of an infrastructure cluster or machine that it is there."""
        done = json.dumps({"status": {"initialization": {"provisioned": True}}})
        self.call("patch", f"{kind}.{GROUP}", name, "--subresource=status", "--type=merge", "-p", done)

    def secret(self, name: str, seconds: float) -> bytes:
        """A secret's `value`, which a manager writes; waits for it."""

        def look() -> bytes | None:
            try:
                return base64.b64decode(self.get("secret", name)["data"]["value"])
            except KubeisoError:
                return None

        return poll(
            look, Deadline.after(seconds), what=f"the secret {name}; the managers' logs are in {self.folder}", interval=1.0
        )


def infrastructure(kind: str) -> dict[str, Any]:
    """The definition of a kind that takes any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"cluster.x-k8s.io/v1beta2": "v1"}},
        "spec": {
            "group": GROUP,
            "names": {"kind": kind, "plural": plural, "listKind": f"{kind}List", "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@contextmanager
def management(folder: Path, store: Store, project: Project) -> Iterator[Management]:
    """The cluster with its managers at work; all of it ends with the block."""
    folder.mkdir(parents=True)
    for name in ("kubernetes", "etcd", "cluster-api"):
        for file, digest in find(name, store, project).files.items():
            own_copy(store.path(digest), folder / file)
    ports = dict(zip(("etcd", "peer", "api"), free_ports(3), strict=True))
    _credentials(folder, ports["api"])
    _certificate(folder)
    with ExitStack() as running:
        running.enter_context(process(folder, "etcd", *_etcd(folder, ports)))
        server = running.enter_context(process(folder, "kube-apiserver", *_api_server(folder, ports)))
        made = Management(folder, folder / "kubectl")
        what = f"the management cluster's API server ({folder})"
        poll(lambda: _ready(made, server), Deadline.after(120), what=what, interval=1.0)
        for path in sorted(folder.glob("*.yaml")):
            made.call("apply", "--server-side", "-f", str(path))
        # As the provider's own kustomization.yaml labels them: which version of them a contract's is.
        made.call("label", "crd", "--all", "cluster.x-k8s.io/v1beta2=v1beta2")
        made.apply(infrastructure("BareCluster"), infrastructure("BareMachine"))
        made.call("wait", "--for=condition=Established", "--timeout=50s", "crd", "--all")
        for name in MANAGERS:
            running.enter_context(process(folder, name, *_manager(folder)))
        yield made


def _etcd(folder: Path, ports: Mapping[str, int]) -> Iterator[str]:
    own, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd", "peer"))
    yield from (f"--data-dir={folder / 'etcd.data'}", f"--listen-client-urls={own}", f"--advertise-client-urls={own}")
    yield from (f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}")


def _credentials(folder: Path, port: int) -> None:
    """An administrator's token, with the kubeconfig that has it, and the key of service accounts."""
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    run(["openssl", "genrsa", "-out", folder / "accounts.key", "2048"])
    entry = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "own",
        "clusters": [{"name": "own", "cluster": entry}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "admin"}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))


def _api_server(folder: Path, ports: Mapping[str, int]) -> Iterator[str]:
    key = folder / "accounts.key"
    yield from (f"--etcd-servers=http://127.0.0.1:{ports['etcd']}", "--bind-address=127.0.0.1", f"--secure-port={ports['api']}")
    yield from (f"--cert-dir={folder / 'certificates'}", f"--token-auth-file={folder / 'tokens.csv'}")
    yield from (f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}")
    yield from ("--service-account-issuer=https://management.test", "--service-cluster-ip-range=192.0.2.0/24")
    yield from ("--disable-admission-plugins=ServiceAccount", "--authorization-mode=RBAC")


def _certificate(folder: Path) -> None:
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    (folder / "webhooks").mkdir()
    run([*argv, "-keyout", folder / "webhooks" / "tls.key", "-out", folder / "webhooks" / "tls.crt"])


def _manager(folder: Path) -> Iterator[str]:
    """Nobody calls the managers' webhooks: objects are written as they are stored."""
    hooks, health, diagnostics = free_ports(3)
    yield from (f"--kubeconfig={folder / 'kubeconfig'}", f"--webhook-cert-dir={folder / 'webhooks'}", f"--webhook-port={hooks}")
    yield from (f"--health-addr=127.0.0.1:{health}", f"--diagnostics-address=127.0.0.1:{diagnostics}", "--insecure-diagnostics")


@contextmanager
def process(folder: Path, name: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A program of the folder, with its log beside it."""
    with (folder / f"{name}.log").open("wb") as log:
        running = subprocess.Popen([folder / name, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield running
            assert running.poll() is None, f"{name} ended by itself: {folder / name}.log"
        finally:
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(20)
            running.kill()
            running.wait()


def _ready(made: Management, server: "subprocess.Popen[bytes]") -> bool | None:
    assert server.poll() is None, (made.folder / "kube-apiserver.log").read_text()
    try:
        return True if made.call("get", "--raw", "/readyz") == "ok" else None
    except KubeisoError:
        return None
