"""The administrator's kubeconfig as this machine needs it."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from builder.aside import write_aside
from builder.cluster.model import Cluster
from builder.errors import CheckError
from builder.progress import warn

ADMIN = "/var/lib/kubeadm/admin.conf"
"""The administrator's on a master, whose certificate the master keeps from ending (pkg/certificates)."""

_SOON = timedelta(days=60)
"""A master renews it when four months are left."""


def kubeconfig(cluster: Cluster, admin: bytes) -> str:
    """The administrator's kubeconfig as kubeadm wrote it, with a context for each master, by the master's name.

    Each leads to that master's API server through its port on 127.0.0.1; the first master's is the current one.
    """
    config: dict[str, Any] = yaml.safe_load(admin)
    (trust,) = [entry["cluster"] for entry in config["clusters"]]
    (user,) = [entry["name"] for entry in config["users"]]
    config["clusters"] = [
        {"name": node.name, "cluster": {**trust, "server": f"https://127.0.0.1:{node.ports.api}"}} for node in cluster.masters
    ]
    config["contexts"] = [{"name": node.name, "context": {"cluster": node.name, "user": user}} for node in cluster.masters]
    config["current-context"] = cluster.masters[0].name
    return yaml.safe_dump(config, sort_keys=False)


def refresh(cluster: Cluster, read: Callable[[str, str], bytes]) -> None:
    """Takes the administrator's kubeconfig anew from a master where the certificate in ours has ended, or is about to.

    read: a file of the master of that name; CheckError where it can't be had. Nothing is raised: ours may still be good.
    """
    if ends(cluster.kubeconfig.read_text()) > datetime.now(UTC) + _SOON:
        return
    for node in cluster.masters:
        try:
            admin = read(node.name, ADMIN)
        except CheckError as error:
            warn(f"the certificate in {cluster.kubeconfig} ends soon, and {node.name} gives no new one: {error.what}")
            continue
        write_aside(cluster.kubeconfig, kubeconfig(cluster, admin), mode=0o600)
        return


def authority(cluster: Cluster) -> bytes:
    """The certificate of the cluster's authority, by the administrator's kubeconfig: PEM."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])


def ends(text: str) -> datetime:
    """When the certificate in a kubeconfig ends."""
    from cryptography import x509  # what no other start of the program wants

    pem = base64.b64decode(yaml.safe_load(text)["users"][0]["user"]["client-certificate-data"])
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc
