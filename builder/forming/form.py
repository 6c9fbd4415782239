"""From running machines to a cluster: init on the first master, join on every other node."""

from collections.abc import Mapping, Sequence
from functools import partial

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import MASTER, Cluster, Node
from builder.cluster.parallel import for_each
from builder.console.console import Console
from builder.deadline import Deadline
from builder.errors import CheckError, InputError
from builder.forming.init import init_master
from builder.forming.join import join_all
from builder.forming.objects import name_of
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.progress import step

_KUBELET_LOG = "/var/log/kubelet.log"


def consoles(nodes: Sequence[Node], machines: Mapping[str, Machine], scale: float) -> dict[str, Console]:
    """The nodes' consoles with a root shell on each."""

    def log_in(node: Node) -> Console:
        console = machines[node.name].console()
        with step(f"Logging in on {node.name}"):
            console.login(Deadline.after(20.0 * len(nodes), scale=scale))
        return console

    return dict(zip([node.name for node in nodes], for_each(nodes, log_in), strict=True))


def init(cluster: Cluster, machines: Mapping[str, Machine], scale: float) -> str:
    """kubeadm init on the first master, over its console; returns kubeadm's output."""
    node = cluster.masters[0]
    return init_master(cluster, node, consoles([node], machines, scale)[node.name], scale)


def join(cluster: Cluster, nodes: Sequence[Node], machines: Mapping[str, Machine], scale: float) -> None:
    """kubeadm join on the nodes, over their consoles; where masters are among them, the first master's is needed too."""
    first = cluster.masters[0]
    asked = [first, *nodes] if any(node.role == MASTER for node in nodes) else nodes
    join_all(cluster, nodes, consoles(asked, machines, scale), scale)


def by_themselves(cluster: Cluster, machines: Mapping[str, Machine]) -> list[Check]:
    """What is to be seen of nodes that form the cluster by themselves; while it is not, what their kubeadm last told."""
    kubectl = Kubectl(cluster)
    readiness = Readiness(cluster, kubectl)

    def said(node: Node) -> str:
        """kubeadm-auto.sh speaks in the kubelet service's log; the console is a person's there."""
        shell = machines[node.name].console()
        told = shell.run(f"grep '^kubeadm-auto' {_KUBELET_LOG} | tail -n 1", Deadline.after(60)).output.strip()
        return f"{node.name}: {told or 'kubeadm has not begun'}"

    def formed() -> str:
        try:
            return readiness.api()
        except NotYet as reason:
            raise NotYet(f"{said(cluster.masters[0])} ({reason})") from reason

    def joined(node: Node) -> str:
        try:
            return name_of(kubectl.get("node", node.name))
        except NotYet as reason:
            raise NotYet(said(node)) from reason

    joins = [Check("A7", f"{node.name} joins by itself", partial(joined, node), 240) for node in cluster.workers]
    return [Check("A6", f"{cluster.masters[0].name} forms the cluster by itself", formed, 240), *joins]


def missing(cluster: Cluster) -> list[Node]:
    """The nodes that the API server does not know yet. Raises where it can't be asked."""
    if not cluster.kubeconfig.exists():
        raise InputError("kubeadm init has not been run", hint=f"kubeiso init --name {cluster.name}")
    try:
        known = {name_of(node) for node in Kubectl(cluster).items("nodes")}
    except NotYet as reason:
        raise CheckError(
            "the API server does not answer", why=str(reason), hint=f"kubeiso status --name {cluster.name}"
        ) from reason
    return [node for node in cluster.nodes if node.name not in known]
