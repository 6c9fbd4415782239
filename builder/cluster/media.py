"""What a cluster's machines boot, changed while the cluster goes on: node by node, each step kept on disk before it is done."""

import filecmp
from pathlib import Path

from builder.cluster.lifecycle import linked, own_copy
from builder.cluster.model import Cluster, Node, RuntimeFacts, Workload
from builder.cluster.state import save
from builder.machine.machine import Machine
from builder.store import file_digest


def give(cluster: Cluster, name: str, medium: Path) -> Cluster:
    """The cluster with that node's next start from the medium, saved; a machine that runs goes on with what it has."""
    node = cluster.node(name)
    digest = file_digest(medium).removeprefix("sha256:")
    kept = cluster.directory / f"{node.role}-{digest[:12]}{medium.suffix}"
    kept = kept if kept.exists() else linked(medium, kept)
    nodes = tuple(each.model_copy(update={"medium": kept}) if each.name == name else each for each in cluster.nodes)
    changed = cluster.model_copy(update={"nodes": nodes})
    if changed != cluster:
        save(changed)
    return changed


def has(node: Node, medium: Path) -> bool:
    """Whether the node's machine runs, and from a file of that content."""
    machine = Machine.attach(node.directory)
    return machine.alive() and machine.spec.medium.exists() and filecmp.cmp(machine.spec.medium, medium, shallow=False)


def settle(
    cluster: Cluster,
    *,
    kubernetes_version: str,
    kubectl: Path,
    runtime: RuntimeFacts,
    workloads: tuple[Workload, ...],
) -> Cluster:
    """The cluster whose nodes have all got new media, which are its roles' now, with what they bring; saved. The former go."""
    cluster.kubectl.with_suffix(".new").unlink(missing_ok=True)
    own_copy(kubectl, cluster.kubectl.with_suffix(".new"))
    cluster.kubectl.with_suffix(".new").replace(cluster.kubectl)
    now = {node.role: node.medium for node in cluster.nodes if node.medium}
    changed = cluster.model_copy(
        update={
            "media": {**cluster.media, **now},
            "nodes": tuple(node.model_copy(update={"medium": None}) for node in cluster.nodes),
            "kubernetes_version": kubernetes_version, "runtime": runtime, "workloads": workloads,
        }
    )  # fmt: skip
    save(changed)
    for former in (*cluster.media.values(), *(node.medium for node in cluster.nodes if node.medium)):
        if former not in changed.media.values() and former.parent == cluster.directory:
            former.unlink(missing_ok=True)
    return changed
