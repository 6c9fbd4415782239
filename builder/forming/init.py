"""kubeadm init on the first master."""

from builder.aside import write_aside
from builder.cluster.guestports import BALANCED_PORT
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline
from builder.forming.kubeconfig import ADMIN, kubeconfig
from builder.forming.model import Fit
from builder.forming.onnode import Access, configure, kubeadm
from builder.forming.secret import new_token, token_secret, void

_TOKEN_MINUTES = 15
"""For which the token of kubeadm init, which nobody uses, is good where it can't be voided."""

_UNTAINT = "/run/config/kubeadm/untaint-master"


def endpoint_of(cluster: Cluster) -> str:
    """HOST:PORT by which nodes reach any of several masters; empty where there is one."""
    return f"127.0.0.1:{BALANCED_PORT}" if len(cluster.masters) > 1 else ""


def init_master(cluster: Cluster, node: Node, access: Access, scale: float) -> str:
    """Runs kubeadm-init.sh in the kubelet service and writes the cluster's kubeconfig; returns kubeadm's output.

    Where there is no worker, the master takes pods. The token that kubeadm makes is void afterwards. Raises CheckError with
    kubeadm's last lines unless its exit code is 0.
    """
    token = new_token()
    configure(
        access.control,
        Fit(scale, node_name=node.name, address=node.address, endpoint=endpoint_of(cluster), token=token, minutes=_TOKEN_MINUTES),
    )
    if not cluster.workers:
        access.control.write_file(_UNTAINT, b"\n", Deadline.after(30, scale=scale))
    output = kubeadm(node, access.console, "init", Deadline.after(240, scale=scale))
    admin = access.control.read_file(ADMIN, Deadline.after(30, scale=scale))
    write_aside(cluster.kubeconfig, kubeconfig(cluster, admin), mode=0o600)
    void(Kubectl(cluster), token_secret(token), "the token of kubeadm init")
    return output
