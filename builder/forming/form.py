"""From running machines to a cluster: init on the first master, join on every other node."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import MASTER, Cluster, Node
from builder.cluster.parallel import for_each
from builder.deadline import Deadline
from builder.errors import CheckError, InputError
from builder.forming.clock import agrees, demand_clock
from builder.forming.init import init_master
from builder.forming.join import join_all
from builder.forming.objects import name_of
from builder.forming.onnode import Access, speed_now
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.machine.pace import with_room
from builder.progress import note, step

_KUBELET_LOG = "/var/log/kubelet.log"


def access(node: Node, machine: Machine, nodes: int = 1) -> Access:
    """A node's console with a root shell on it, and kubeiso's own line; `nodes`: so many are asked side by side."""
    patience = machine.within(20.0 * nodes)
    with step(f"Logging in on {node.name}"):
        machine.shell().login(patience)
        machine.console().login(patience)
    return Access(machine.console(), machine.shell())


def _access(nodes: Sequence[Node], machines: Mapping[str, Machine]) -> dict[str, Access]:
    found = for_each(nodes, lambda node: access(node, machines[node.name], len(nodes)))
    return dict(zip([node.name for node in nodes], found, strict=True))


def init(cluster: Cluster, machines: Mapping[str, Machine], scale: float) -> str:
    """kubeadm init on the first master, over its console; returns kubeadm's output."""
    node = cluster.masters[0]
    found = _access([node], machines)
    _demand_clock(node, found, scale)
    return init_master(cluster, node, found[node.name], paced(cluster, found.values(), scale))


def join(cluster: Cluster, nodes: Sequence[Node], machines: Mapping[str, Machine], scale: float) -> None:
    """kubeadm join on the nodes, over their consoles; where masters are among them, the first master's is needed too."""
    if not nodes:
        return
    first = cluster.masters[0]
    asked = [first, *nodes] if any(node.role == MASTER for node in nodes) else nodes
    found = _access(asked, machines)
    for node in nodes:
        _demand_clock(node, found, scale)
    join_all(cluster, nodes, found, paced(cluster, found.values(), scale))


def _demand_clock(node: Node, found: Mapping[str, Access], scale: float) -> None:
    shell = found[node.name].control
    demand_clock(node.name, lambda command: shell.run(command, Deadline.after(30, scale=scale)).output)


def paced(cluster: Cluster, nodes: Iterable[Access], scale: float) -> float:
    """The scale for what kubeadm writes: `scale`, or that of the slowest node now where it is more, with room for later."""
    now = max(speed_now(each.control, scale) for each in nodes)
    if now > scale:
        note(f"the slowest guest is {now:.1f} times slower than native now, {scale:.1f} times when it came up")
    return with_room(max(scale, now), cluster.acceleration)


def by_themselves(cluster: Cluster, machines: Mapping[str, Machine]) -> list[Check]:
    """What is to be seen of nodes that form the cluster by themselves; while it is not, what their kubeadm last told."""
    kubectl = Kubectl(cluster)
    readiness = Readiness(cluster, kubectl)

    def output(node: Node, command: str) -> str:
        machine = machines[node.name]
        return machine.shell().run(command, machine.within(30)).output

    def said(node: Node) -> str:
        """kubeadm-auto.sh speaks in the kubelet service's log; the console is a person's there."""
        told = output(node, f"grep '^kubeadm-auto' {_KUBELET_LOG} | tail -n 1").strip()
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

    def clock(node: Node) -> str:
        return agrees(partial(output, node))

    clocks = [Check("A4c", f"the clock of {node.name} is right", partial(clock, node), 60) for node in cluster.nodes]
    joins = [Check("A7", f"{node.name} joins by itself", partial(joined, node), 240) for node in cluster.workers]
    return [*clocks, Check("A6", f"{cluster.masters[0].name} forms the cluster by itself", formed, 240), *joins]


def demand_init(cluster: Cluster) -> None:
    """Raises InputError for a cluster that kubeadm init has not made yet."""
    if not cluster.kubeconfig.exists():
        raise InputError("kubeadm init has not been run", hint=f"kubeiso init --name {cluster.name}")


def missing(cluster: Cluster) -> list[Node]:
    """The nodes that the API server does not know yet. Raises where it can't be asked."""
    demand_init(cluster)
    try:
        known = {name_of(node) for node in Kubectl(cluster).items("nodes")}
    except NotYet as reason:
        raise CheckError(
            "the API server does not answer", why=str(reason), hint=f"kubeiso status --name {cluster.name}"
        ) from reason
    return [node for node in cluster.nodes if node.name not in known]
