"""kubeadm init on the first master."""

from builder.aside import write_aside
from builder.cluster.guestports import BALANCED_PORT
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline
from builder.forming.kubeconfig import kubeconfig
from builder.forming.model import Fit
from builder.forming.onnode import Shell, configure, kubeadm

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
