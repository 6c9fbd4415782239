"""The verb upgrade: the machines of a cluster from media of another release, node by node, while the cluster works on."""

from collections.abc import Sequence
from typing import Annotated

import typer

from builder.checks import Check, Engine, Outcome
from builder.cli.building import demand_tools
from builder.cli.clusters import released, runs, whole
from builder.cli.common import Name, choose_sink, open_store, out_folder, show
from builder.cli.options import How, Told, Which, spread
from builder.cluster import lifecycle, media, state
from builder.cluster.kubectl import Kubectl, pace_of
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError, InputError
from builder.forming import form
from builder.forming.upgrade import Upgrade, refuse_versions
from builder.pipeline.clusters import cluster_plan
from builder.pipeline.model import Plan
from builder.pipeline.tools import CLUSTER_TOOLS, MEDIA_TOOLS
from builder.progress import note
from builder.project import Project

app = typer.Typer()
AGAIN = "the same command goes on from here"
POWER_OFF = 60.0
"""Seconds for a node to end its pods and stop, at native speed."""


@app.command(epilog="Example:  kubeiso upgrade --name try --recipe next.yml")
@spread
def upgrade(
    which: Which,
    how: How,
    told: Told,
    name: Name = "kubeiso",
    drain_timeout: Annotated[
        int, typer.Option("--drain-timeout", min=1, metavar="SECONDS", help="For a node's pods to move.")
    ] = 600,
) -> None:
    """Builds a recipe's media and starts a running cluster's nodes from them, one after another, masters first."""
    choose_sink(told.as_json, told.verbose)
    options = how.options(console_login=True)
    with state.locked(name):
        cluster = state.load(name)
        refuse(cluster)
        running = versions(cluster)
        demand_tools(options, (*MEDIA_TOOLS, *CLUSTER_TOOLS))
        plan = cluster_plan(
            Project.here(), which.path, open_store(), out_folder(how.out), options,
            name=name, hardware=cluster.hardware, masters=len(cluster.masters), workers=len(cluster.workers),
            accept=lambda made: fits(cluster, running, made),
        )  # fmt: skip
        refuse_plan(cluster, plan)
        refuse_versions(running, plan.kubernetes_version)
        done = carry_out(cluster, plan, drain_timeout)
    anew = f"{len(done)} of {len(cluster.nodes)} nodes were started anew"
    text = f"the cluster {name} has Kubernetes v{plan.kubernetes_version}; {anew}"
    show({"cluster": name, "kubernetes_version": plan.kubernetes_version, "upgraded": done}, text, told.as_json)


def refuse(cluster: Cluster) -> None:
    """Raises InputError for a cluster that can't be upgraded at all."""
    if not cluster.hardware.disk:
        raise InputError(
            f"the nodes of {cluster.name} run from memory", why="what they know would be lost with their power",
            hint="a cluster whose nodes have disks: kubeiso up --disk 4096",
        )  # fmt: skip
    form.demand_init(cluster)
    if down := [node.name for node in cluster.nodes if node.medium is None and not runs(node)]:
        raise InputError(f"{', '.join(down)} does not run", hint=f"kubeiso start --name {cluster.name}")


def versions(cluster: Cluster) -> dict[str, str]:
    """What each node runs. Raises CheckError where the API server does not answer."""
    found: dict[str, str] = {}

    def look() -> str:
        found.update(Upgrade(cluster, cluster.kubernetes_version, Kubectl(cluster)).running())
        return ", ".join(f"{name} v{version}" for name, version in sorted(found.items()))

    passes(cluster, Engine(pace_of(cluster), lambda: None), [Check("U0", "the nodes tell their versions", look, 60)])
    return found


def fits(cluster: Cluster, running: dict[str, str], made: Plan) -> None:
    """Before anything is built. Raises InputError for a recipe of another kind of cluster."""
    if made.recipe.runtime != cluster.runtime.name:
        raise InputError(
            f"the recipe has the runtime {made.recipe.runtime}, and the cluster {cluster.runtime.name}",
            hint="a runtime does not know the other one's pods: begin another cluster with kubeiso up",
        )
    if not made.own:
        refuse_versions(running, made.pins)


def refuse_plan(cluster: Cluster, plan: ClusterPlan) -> None:
    """Raises InputError for addresses that are others than the cluster's."""
    if plan.network != cluster.network:
        raise InputError(
            "the recipe's networks are others than the cluster's", why=f"{plan.network} and {cluster.network}",
            hint="leave `network` as it was in the recipe that the cluster is made of",
        )  # fmt: skip


def carry_out(cluster: Cluster, plan: ClusterPlan, drain_timeout: float) -> list[str]:
    """The names of the nodes that were started anew; the cluster is whole afterwards."""
    done = []
    for number, node in enumerate([*cluster.masters, *cluster.workers], 1):
        note(f"{node.name}: node {number} of {len(cluster.nodes)}")
        cluster, fresh = one(cluster, node.name, plan, drain_timeout)
        done += [node.name] if fresh else []
    cluster = media.settle(
        cluster, kubernetes_version=plan.kubernetes_version, kubectl=plan.kubectl,
        runtime=plan.runtime, workloads=plan.workloads,
    )  # fmt: skip
    with released(lifecycle.attach(cluster)) as machines:
        whole(cluster, machines, pace_of(cluster))
    return done


def one(cluster: Cluster, name: str, plan: ClusterPlan, drain_timeout: float) -> tuple[Cluster, bool]:
    """A node from its new medium, whatever an earlier call has done of that; and whether it was started anew."""
    medium = plan.media[cluster.node(name).role]
    fresh = not media.has(cluster.node(name), medium)
    if fresh:
        _move(cluster, cluster.node(name), plan, drain_timeout)
        cluster = media.give(cluster, name, medium)
        _restart(cluster, cluster.node(name))
    node, steps = cluster.node(name), Upgrade(cluster, plan.kubernetes_version, Kubectl(cluster))
    with released(lifecycle.attach(cluster, [node])) as machines:
        engine = Engine(pace_of(cluster), lambda: lifecycle.obituary(machines))
        passes(cluster, engine, steps.after(node))
    return cluster, fresh


def _move(cluster: Cluster, node: Node, plan: ClusterPlan, seconds: float) -> None:
    """A node that runs loses its pods; where they can't move, it takes pods again."""
    if not runs(node):
        return
    steps, scale = Upgrade(cluster, plan.kubernetes_version, Kubectl(cluster)), pace_of(cluster)
    passes(cluster, Engine(scale, lambda: None), steps.before(node))
    try:
        passes(cluster, Engine(1.0, lambda: None), steps.drain(node, seconds))
    except CheckError:
        passes(cluster, Engine(scale, lambda: None), [Check("U9", f"{node.name} takes pods again", lambda: steps.uncordon(node))])
        raise


def _restart(cluster: Cluster, node: Node) -> None:
    if runs(node):
        note(f"{node.name}: {lifecycle.stop(node.directory, POWER_OFF * pace_of(cluster))}")
    with released(lifecycle.start(cluster, [node])) as machines:
        lifecycle.wait_ready([node], machines)


def passes(cluster: Cluster, engine: Engine, checks: Sequence[Check]) -> None:
    """Raises CheckError for the first check that fails."""
    engine.run(checks)
    failed = next((finding for finding in engine.findings if finding.outcome is Outcome.FAILED), None)
    if failed:
        hint = f"put that right, and {AGAIN}; kubeiso logs --name {cluster.name}"
        raise CheckError(f"{failed.name}: not so", why=failed.reason, hint=hint)
