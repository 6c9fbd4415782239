"""kubeadm init on the first master."""

from typing import Any

import yaml

from builder.aside import write_aside
from builder.cluster.kubeadm import Fit
from builder.cluster.model import Cluster, Node
from builder.cluster.onnode import Shell, configure, kubeadm
from builder.cluster.ports import BALANCED_PORT
from builder.deadline import Deadline

_UNTAINT = "/run/config/kubeadm/untaint-master"


def endpoint_of(cluster: Cluster) -> str:
    """HOST:PORT by which nodes reach any of several masters; empty where there is one."""
    return f"127.0.0.1:{BALANCED_PORT}" if len(cluster.masters) > 1 else ""


def init_master(cluster: Cluster, node: Node, shell: Shell, scale: float) -> str:
    """Runs kubeadm-init.sh in the kubelet service and writes the cluster's kubeconfig; returns kubeadm's output.

    Where there is no worker, the master takes pods. Raises CheckError with kubeadm's last lines unless its exit code is 0.
    """
    configure(shell, Fit(scale, node_name=node.name, address=node.address, endpoint=endpoint_of(cluster)))
    if not cluster.workers:
        shell.write_file(_UNTAINT, b"\n", Deadline.after(30, scale=scale))
    output = kubeadm(node, shell, "init", Deadline.after(240, scale=scale))
    admin = shell.read_file("/var/lib/kubeadm/admin.conf", Deadline.after(30, scale=scale))
    write_aside(cluster.kubeconfig, kubeconfig(cluster, admin), mode=0o600)
    return output


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
