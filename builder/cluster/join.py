"""kubeadm join, on several nodes at once."""

from collections.abc import Mapping, Sequence

from builder.cluster.kubeadm import Discovery, Fit
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.cluster.onnode import Shell, configure, kubeadm
from builder.cluster.parallel import for_each
from builder.cluster.tokens import bootstrap_token, discovery_of
from builder.deadline import Deadline


def join_all(cluster: Cluster, nodes: Sequence[Node], shells: Mapping[str, Shell], scale: float) -> None:
    """Every one of the nodes joins, side by side, with a token that is void afterwards; raises CheckError for those that fail."""
    if not nodes:
        return
    with bootstrap_token(Kubectl(cluster), scale) as token:
        discovery = discovery_of(cluster, token)
        for_each(nodes, lambda node: join_node(node, shells[node.name], scale, discovery))


def join_node(node: Node, shell: Shell, scale: float, discovery: Discovery) -> str:
    """Runs kubeadm-join.sh in the kubelet service; returns kubeadm's output. Raises CheckError unless its exit code is 0."""
    configure(shell, Fit(scale, node_name=node.name, address=node.address, discovery=discovery))
    return kubeadm(node, shell, "join", Deadline.after(240, scale=scale))
