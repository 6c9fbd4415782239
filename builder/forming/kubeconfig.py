"""The administrator's kubeconfig as this machine needs it."""

from typing import Any

import yaml

from builder.cluster.model import Cluster


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
