"""What machines boot, changed node by node, with what lies in the cluster's directory."""

from pathlib import Path

import pytest
from cluster_samples import a_cluster

from builder.cluster import media, state
from builder.cluster.machines import machine_spec
from builder.cluster.model import MASTER, WORKER, Cluster
from builder.machine.model import ClusterCard

pytest_plugins = ["cluster_fixtures"]


@pytest.fixture
def cluster(root: Path) -> Cluster:
    """One whose media lie in its directory."""
    directory = root / "c"
    directory.mkdir()
    made = a_cluster(masters=2, workers=1, directory=directory)
    for role in (MASTER, WORKER):
        (directory / f"{role}.iso").write_text(f"former {role}")
    (directory / "kubectl").write_text("former")
    made = made.model_copy(update={"media": {role: directory / f"{role}.iso" for role in (MASTER, WORKER)}})
    state.save(made)
    return made


def new(tmp_path: Path, role: str) -> Path:
    path = tmp_path / f"built-{role}.iso"
    path.write_text(f"new {role}")
    return path


def boots(cluster: Cluster, name: str) -> str:
    return machine_spec(cluster, cluster.node(name), ClusterCard(directory=cluster.directory)).medium.read_text()


def test_one_node_after_another_gets_the_new_medium_and_the_others_keep_theirs(cluster: Cluster, tmp_path: Path) -> None:
    medium = new(tmp_path, MASTER)
    changed = media.give(cluster, "c-master-1", medium)
    medium.unlink()
    medium.write_text("a later build of the same name")
    assert boots(changed, "c-master-1") == "new master"
    assert boots(changed, "c-master-2") == "former master" and boots(changed, "c-worker-1") == "former worker"
    assert state.load("c") == changed, "who is killed now finds it so"


def test_the_same_medium_again_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    once = media.give(cluster, "c-master-1", new(tmp_path, MASTER))
    assert media.give(once, "c-master-1", new(tmp_path, MASTER)) == once


def test_in_the_end_the_new_media_are_the_cluster_s_and_the_former_are_gone(cluster: Cluster, tmp_path: Path) -> None:
    for node in cluster.nodes:
        cluster = media.give(cluster, node.name, new(tmp_path, node.role))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("new")
    done = media.settle(
        cluster, kubernetes_version="1.37.2", kubectl=kubectl, runtime=cluster.runtime, workloads=cluster.workloads
    )
    assert state.load("c") == done and done.kubernetes_version == "1.37.2"
    assert all(node.medium is None for node in done.nodes)
    assert [boots(done, node.name) for node in done.nodes] == ["new master", "new master", "new worker"]
    assert (cluster.directory / "kubectl").read_text() == "new"
    kept = sorted(path.name.partition("-")[0] for path in cluster.directory.glob("*.iso"))
    assert kept == ["master", "worker"], "the former ones are gone"
    assert all(path.parent == cluster.directory for path in done.media.values())
    again = media.settle(done, kubernetes_version="1.37.2", kubectl=kubectl, runtime=cluster.runtime, workloads=cluster.workloads)
    assert again == done and all(path.exists() for path in again.media.values()), "nothing is left to change, and nothing goes"
