"""What an upgrade asks of a cluster: which versions may follow each other, nodes without pods, nodes that have come up again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import MASTER, Cluster, Node
from builder.console.story import Story
from builder.errors import InputError
from builder.forming.objects import Object, condition, is_true, name_of
from builder.forming.readiness import Readiness
from builder.machine.model import CONSOLE_LOG
from builder.run import last_line

STAGE, OF_CLUSTER = "upgrade", "cluster"
"""What a node tells of an upgrade (kubeadm-upgrade.sh), last of its part in the cluster's."""

CORDONED = "kubeiso.dev/cordoned-by"
"""The annotation of a node that an upgrade has cordoned: one that somebody else did stays so."""

ATTEMPT = 60
"""Seconds for one attempt to move a node's pods; a budget may allow more a little later."""


def refuse_versions(running: Mapping[str, str], wanted: str) -> None:
    """Raises InputError where Kubernetes does not support the way from what nodes run, by name, to what is wanted."""
    for name, version in sorted(running.items()):
        ahead = _minor(wanted) - _minor(version)
        what = f"{name} has Kubernetes v{version}, and the recipe v{wanted}"
        if ahead < 0:
            hint = f"a recipe with {'.'.join(version.split('.')[:2])} or newer"
            raise InputError(what, why="what a newer minor version wrote, an older one can't read", hint=hint)
        if ahead > 1:
            major, minor = version.split(".")[:2]
            hint = f"first a recipe with {major}.{int(minor) + 1}"
            raise InputError(what, why="Kubernetes is upgraded by one minor version at a time", hint=hint)


def _minor(version: str) -> int:
    """The minor version, in one number with the major one."""
    major, minor = version.split(".")[:2]
    return int(major) * 1000 + int(minor)


class Upgrade:
    """The steps of one node after another, as checks that wait for what they want."""

    def __init__(self, cluster: Cluster, version: str, kubectl: Kubectl) -> None:
        self._cluster = cluster
        self._version = version
        self._kubectl = kubectl
        self._ready = Readiness(cluster, kubectl)

    def running(self) -> dict[str, str]:
        """Each node's version of Kubernetes, by name. NotYet where the API server does not answer."""
        nodes = self._kubectl.items("nodes")
        return {name_of(node): str(node["status"]["nodeInfo"]["kubeletVersion"]).removeprefix("v") for node in nodes}

    def before(self, node: Node) -> list[Check]:
        """What has to be so before a node goes: the others carry on without it."""
        checks = [Check("U1", f"every node but {node.name} is Ready", self._others(node), 180)]
        if node.role == MASTER and len(self._cluster.masters) > 1:
            checks.append(Check("U2", "etcd is healthy, one member for each master", self._ready.etcd, 180))
        return checks

    def _others(self, node: Node) -> Callable[[], str]:
        def look() -> str:
            found = {name_of(each): each for each in self._kubectl.items("nodes")}
            for other in self._cluster.nodes:
                if other != node and not is_true(found.get(other.name, {}), "Ready"):
                    told = condition(found.get(other.name, {}), "Ready").get("message")
                    raise NotYet(f"{other.name}: {told or 'not Ready'}")
            return "so it is"

        return look

    def drain(self, node: Node, seconds: float) -> list[Check]:
        """The node takes no further pods, and those that it has move elsewhere as their disruption budgets allow."""
        checks = [Check("U3", f"{node.name} takes no further pods", lambda: self._cordon(node), 60)]
        if self._has_elsewhere(node):
            checks.append(Check("U4", f"the pods of {node.name} have moved", lambda: self._drain(node), seconds))
        return checks

    def _cordon(self, node: Node) -> str:
        if self._kubectl.get("node", node.name)["spec"].get("unschedulable"):
            return "it is cordoned already"
        self._kubectl.text("annotate", "node", node.name, "--overwrite", f"{CORDONED}=upgrade")
        self._kubectl.text("cordon", node.name)
        return "cordoned"

    def _has_elsewhere(self, node: Node) -> bool:
        """Whether any other node takes pods, be it those alone that tolerate its taints: a lone node's would wait for it."""
        return any(_takes_pods(each) for each in self._kubectl.items("nodes") if name_of(each) != node.name)

    def _drain(self, node: Node) -> str:
        done = self._kubectl.run(
            "drain", node.name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={ATTEMPT}s"
        )  # fmt: skip
        if done.code == 0:
            return last_line(done.stdout)
        budgets = [line for line in done.stderr.splitlines() if "disruption budget" in line]
        raise NotYet((budgets or [last_line(done.stderr) or f"kubectl drain ended with exit code {done.code}"])[-1])

    def after(self, node: Node) -> list[Check]:
        """What has to be so once a node has booted its new medium."""
        checks = [
            Check("U5", f"{node.name} is Ready with Kubernetes v{self._version}", lambda: self._is_new(node), 300),
            Check("U6", f"{node.name} has done its part of the upgrade", lambda: _done(node.directory), 600),
        ]
        if node.role == MASTER:
            checks.append(Check("U7", "etcd is healthy, one member for each master", self._ready.etcd, 180))
            checks.append(Check("U8", "control-plane pods Ready on each master", self._ready.control_plane, 180))
        return [*checks, Check("U9", f"{node.name} takes pods again", lambda: self.uncordon(node), 60)]

    def _is_new(self, node: Node) -> str:
        found = self._kubectl.get("node", node.name)
        if (version := str(found["status"]["nodeInfo"]["kubeletVersion"])) != f"v{self._version}":
            raise NotYet(f"its kubelet is {version} still{_told(node.directory)}")
        if not is_true(found, "Ready"):
            raise NotYet(f"{condition(found, 'Ready').get('message') or 'not Ready'}{_told(node.directory)}")
        return version

    def uncordon(self, node: Node) -> str:
        """Takes back what `drain` did. One that was cordoned before stays so."""
        found = self._kubectl.get("node", node.name)
        if CORDONED not in found["metadata"].get("annotations", {}):
            return "it was cordoned before, and stays so" if found["spec"].get("unschedulable") else "it was not cordoned"
        self._kubectl.text("uncordon", node.name)
        self._kubectl.text("annotate", "node", node.name, f"{CORDONED}-")
        return "uncordoned"


def _takes_pods(node: Object) -> bool:
    return is_true(node, "Ready") and not node["spec"].get("unschedulable")


def _stages(directory: Path) -> Sequence[tuple[str, str, str]]:
    """Name, state and error of what the node told of its upgrade since its last start."""
    told = Story.from_log(directory / CONSOLE_LOG).stages
    return [(stage.name, stage.state, stage.error) for stage in told if stage.stage == STAGE]


def _told(directory: Path) -> str:
    """The node's own words, where its upgrade meets trouble."""
    last = (_stages(directory) or [("", "", "")])[-1]
    return f" ({last[2]})" if last[2] else ""


def _done(directory: Path) -> str:
    stages = _stages(directory)
    if not stages:
        return "there was nothing to do"
    if stages[-1][:2] != (OF_CLUSTER, "ok"):
        raise NotYet(f"it is at work{_told(directory)}")
    return "done"
