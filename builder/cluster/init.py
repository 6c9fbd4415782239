"""kubeadm init on the first master."""

from builder.aside import write_aside
from builder.cluster.kubeadm import Fit
from builder.cluster.model import Cluster, Node
from builder.cluster.onnode import Shell, configure, kubeadm
from builder.deadline import Deadline

_UNTAINT = "/run/config/kubeadm/untaint-master"


def init_master(cluster: Cluster, node: Node, shell: Shell, scale: float) -> str:
    """Runs kubeadm-init.sh in the kubelet service and writes the cluster's kubeconfig; returns kubeadm's output.

    Where there is no worker, the master takes pods. Raises CheckError with kubeadm's last lines unless its exit code is 0.
    """
    configure(shell, Fit(scale, node_name=node.name, address=node.address, alone=len(cluster.masters) == 1))
    if not cluster.workers:
        shell.write_file(_UNTAINT, b"\n", Deadline.after(30, scale=scale))
    output = kubeadm(node, shell, "init", Deadline.after(240, scale=scale))
    write_kubeconfig(cluster, node, shell, scale)
    return output


def write_kubeconfig(cluster: Cluster, node: Node, shell: Shell, scale: float) -> None:
    """The administrator's kubeconfig, with the API server's port on 127.0.0.1 in place of the node's address. Mode 0600."""
    text = shell.read_file("/var/lib/kubeadm/admin.conf", Deadline.after(30, scale=scale)).decode()
    lines = [
        f"{line.split('server:')[0]}server: https://127.0.0.1:{node.ports.api}" if line.strip().startswith("server:") else line
        for line in text.splitlines()
    ]
    write_aside(cluster.kubeconfig, "\n".join(lines) + "\n", mode=0o600)
