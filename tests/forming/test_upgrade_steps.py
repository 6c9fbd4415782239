"""What an upgrade asks of a cluster, with an API server that is a few objects."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from cluster_samples import a_cluster

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.errors import InputError
from builder.forming.upgrade import CORDONED, Upgrade, refuse_versions
from builder.machine.model import CONSOLE_LOG
from builder.run import Completed


@pytest.mark.parametrize("wanted", ["1.36.3", "1.36.1", "1.36.9", "1.37.2", "1.37.0-alpha.1+x"])
def test_a_patch_of_the_same_minor_version_and_the_next_minor_may_follow(wanted: str) -> None:
    refuse_versions({"a": "1.36.3", "b": "1.36.3"}, wanted)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("1.35.9", "1.36 or newer"),
        ("1.38.0", "first a recipe with 1.37"),
        ("2.0.0", "first a recipe with 1.37"),
        ("0.9.0", "1.36"),
    ],
)
def test_what_kubernetes_does_not_support_is_refused_with_the_way_out(wanted: str, hint: str) -> None:
    with pytest.raises(InputError, match=r"a has Kubernetes v1\.36\.3") as error:
        refuse_versions({"a": "1.36.3"}, wanted)
    assert hint in error.value.hint


def test_a_cluster_on_its_way_is_judged_by_each_node() -> None:
    refuse_versions({"a": "1.37.2", "b": "1.36.3"}, "1.37.2")
    with pytest.raises(InputError, match=r"b has Kubernetes v1\.36\.3"):
        refuse_versions({"a": "1.37.2", "b": "1.36.3"}, "1.38.0")
    with pytest.raises(InputError, match=r"a has Kubernetes v1\.37\.2"):
        refuse_versions({"a": "1.37.2", "b": "1.36.3"}, "1.36.3")


class Server:
    """The nodes that it knows; what is said to it. `drained`: how a drain ends."""

    def __init__(self, cluster: Cluster) -> None:
        self.nodes: dict[str, dict[str, Any]] = {
            node.name: {
                "metadata": {"name": node.name, "annotations": {}},
                "spec": {},
                "status": {"nodeInfo": {"kubeletVersion": "v1.36.3"}, "conditions": [{"type": "Ready", "status": "True"}]},
            }
            for node in cluster.nodes
        }
        self.said: list[str] = []
        self.drained = Completed((), 0, "node/c-worker-1 drained", "")

    def items(self, *_: str) -> list[dict[str, Any]]:
        return list(self.nodes.values())

    def get(self, _: str, name: str) -> dict[str, Any]:
        return self.nodes[name]

    def text(self, *words: str) -> str:
        self.said.append(" ".join(words))
        node = self.nodes[words[2] if words[0] == "annotate" else words[1]]
        if words[0] in ("cordon", "uncordon"):
            node["spec"]["unschedulable"] = words[0] == "cordon"
        elif words[-1] == f"{CORDONED}-":
            del node["metadata"]["annotations"][CORDONED]
        else:
            node["metadata"]["annotations"][CORDONED] = "upgrade"
        return ""

    def run(self, *words: str) -> Completed:
        self.said.append(" ".join(words))
        return self.drained


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = a_cluster(masters=1, workers=2, directory=tmp_path)
    for node in made.nodes:
        node.directory.mkdir()
    return made


@pytest.fixture
def server(cluster: Cluster) -> Server:
    return Server(cluster)


@pytest.fixture
def steps(cluster: Cluster, server: Server) -> Upgrade:
    return Upgrade(cluster, "1.37.2", cast(Kubectl, server))


def console(cluster: Cluster, name: str, *lines: str) -> None:
    told = "".join(f"KUBEISO {line}\n" for line in lines)
    (cluster.node(name).directory / CONSOLE_LOG).write_text(f"=== kubeiso: start 2 of it at x ===\n{told}")


def looks(checks: list[Any], pattern: str) -> Callable[[], str]:
    (found,) = (check.look for check in checks if re.search(pattern, check.name))
    return cast(Callable[[], str], found)


def test_a_node_goes_only_when_every_other_one_is_ready(steps: Upgrade, cluster: Cluster, server: Server) -> None:
    look = looks(steps.before(cluster.node("c-worker-1")), "every node but c-worker-1 is Ready")
    server.nodes["c-worker-1"]["status"]["conditions"][0]["status"] = "False"
    assert look() == "so it is"
    server.nodes["c-worker-2"]["status"]["conditions"][0] = {"type": "Ready", "status": "False", "message": "no network"}
    with pytest.raises(NotYet, match="c-worker-2: no network"):
        look()
    del server.nodes["c-worker-2"]
    with pytest.raises(NotYet, match="c-worker-2: not Ready"):
        look()


def test_pods_move_as_their_budgets_allow(steps: Upgrade, cluster: Cluster, server: Server) -> None:
    cordon, drain = steps.drain(cluster.node("c-worker-1"), 300)
    assert cordon.look() == "cordoned" and server.nodes["c-worker-1"]["spec"]["unschedulable"]
    budget = "error when evicting pods/web-1: Cannot evict pod as it would violate the pod's disruption budget."
    server.drained = Completed((), 1, "", f"{budget}\nerror: global timeout reached")
    with pytest.raises(NotYet, match=r"would violate the pod's disruption budget"):
        drain.look()
    server.drained = Completed((), 1, "", "error: cannot delete Pods that declare no controller")
    with pytest.raises(NotYet, match="declare no controller"):
        drain.look()
    server.drained = Completed((), 0, "node/c-worker-1 drained", "")
    assert drain.look() == "node/c-worker-1 drained"
    assert not any("--force" in said or "--disable-eviction" in said for said in server.said)


def test_a_lone_node_s_pods_have_nowhere_to_go(steps: Upgrade, cluster: Cluster, server: Server) -> None:
    for name in ("c-worker-1", "c-worker-2"):
        server.nodes[name]["spec"]["unschedulable"] = True
    assert len(steps.drain(cluster.masters[0], 300)) == 1


def test_a_node_that_somebody_cordoned_stays_so(steps: Upgrade, cluster: Cluster, server: Server) -> None:
    node = cluster.node("c-worker-1")
    server.nodes[node.name]["spec"]["unschedulable"] = True
    assert steps.drain(node, 300)[0].look() == "it is cordoned already"
    assert steps.uncordon(node) == "it was cordoned before, and stays so"
    assert server.nodes[node.name]["spec"]["unschedulable"] and server.said == []


def test_a_node_that_the_upgrade_cordoned_takes_pods_again_whoever_goes_on(
    steps: Upgrade, cluster: Cluster, server: Server
) -> None:
    node = cluster.node("c-worker-1")
    steps.drain(node, 300)[0].look()
    assert steps.drain(node, 300)[0].look() == "it is cordoned already"  # an earlier call's doing
    assert steps.uncordon(node) == "uncordoned" and not server.nodes[node.name]["spec"]["unschedulable"]
    assert steps.uncordon(node) == "it was not cordoned"


def test_a_node_that_came_up_again_is_waited_for_and_says_what_keeps_it(steps: Upgrade, cluster: Cluster, server: Server) -> None:
    node = cluster.node("c-worker-1")
    after = steps.after(node)
    ready, done = looks(after, "is Ready with Kubernetes v1.37.2"), looks(after, "has done its part")
    waits = '{"t":9,"stage":"upgrade","name":"node","state":"failed","error":"the masters have Kubernetes v1.36.3"}'
    console(cluster, node.name, waits)
    with pytest.raises(NotYet, match=r"its kubelet is v1.36.3 still \(the masters have Kubernetes v1.36.3\)"):
        ready()
    with pytest.raises(NotYet, match="it is at work"):
        done()
    server.nodes[node.name]["status"]["nodeInfo"]["kubeletVersion"] = "v1.37.2"
    assert ready() == "v1.37.2"
    console(cluster, node.name, '{"t":9,"stage":"upgrade","name":"node","state":"ok"}')
    with pytest.raises(NotYet):
        done()
    console(cluster, node.name, waits, '{"t":9,"stage":"upgrade","name":"cluster","state":"ok"}')
    assert done() == "done"
    console(cluster, node.name, '{"t":9,"stage":"ready","state":"ok"}')
    assert done() == "there was nothing to do"


def test_a_master_s_control_plane_is_asked_too(steps: Upgrade, cluster: Cluster) -> None:
    assert {check.id for check in steps.after(cluster.masters[0])} - {check.id for check in steps.after(cluster.workers[0])} == {
        "U7",
        "U8",
    }
