"""The verb up: a cluster from a recipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.building import demand_tools
from builder.cli.clusters import how_to, released, whole
from builder.cli.common import Name, choose_sink, open_store, out_folder, say, show
from builder.cli.interrupt import ignore_interrupts
from builder.cli.options import How, Size, Told, Which, spread
from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.machines import afford
from builder.cluster.model import Cluster, Hardware
from builder.errors import InputError
from builder.forming import form
from builder.pipeline.clusters import cluster_plan
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.tools import CLUSTER_TOOLS, MEDIA_TOOLS
from builder.progress import note
from builder.project import Project

app = typer.Typer()


@dataclass(frozen=True)
class Wish:
    """What the command line asks for in a cluster."""

    name: str
    nodes: int
    masters: int
    hardware: Hardware
    auto: bool = False

    @property
    def workers(self) -> int:
        return self.nodes - self.masters


def plan_of(
    wish: Wish, options: BuildOptions, path: Path, out: Path, accept: Callable[[Plan], None] = lambda _: None
) -> ClusterPlan:
    """Builds what a new cluster of this recipe boots from. Raises InputError where that can't be, before anything is built.

    accept: raises it for a plan that will not do.
    """
    if wish.workers < 0:
        raise InputError(f"{wish.masters} masters do not fit in {wish.nodes} nodes", hint=f"--nodes {wish.masters} or more")
    if wish.auto and wish.masters > 1:
        raise InputError(
            f"{wish.masters} masters can't form a cluster by themselves", hint="leave --auto out, or take --masters 1"
        )
    if wish.masters == 2:
        note("two masters survive the loss of neither: etcd needs a majority of its members")
    state.refuse_existing(state.directory_of(wish.name))
    afford(wish.hardware, None, wish.masters, wish.workers)
    demand_tools(options, (*MEDIA_TOOLS, *CLUSTER_TOOLS))
    plan = cluster_plan(
        Project.here(), path, open_store(), out_folder(out), options,
        name=wish.name, hardware=wish.hardware, masters=wish.masters, workers=wish.workers, unattended=wish.auto,
        accept=accept,
    )  # fmt: skip
    afford(wish.hardware, plan.acceleration, wish.masters, wish.workers)
    return plan


@app.command(
    epilog="Examples:  kubeiso up --wait\n\n           kubeiso up --nodes 3 --name try --memory 2048 --wait"
    "\n\n           kubeiso up --kubernetes-dir ~/src/kubernetes --wait\n\n           kubeiso up --nodes 2 --auto --wait"
)
@spread
def up(
    which: Which,
    size: Size,
    how: How,
    told: Told,
    name: Name = "kubeiso",
    wait: Annotated[bool, typer.Option("--wait", help="Also runs init and join, and waits until all is Ready.")] = False,
    auto: Annotated[bool, typer.Option("--auto", help="The nodes run init and join by themselves, without a console.")] = False,
) -> None:
    """Boots the machines of a cluster and leaves them running."""
    choose_sink(told.as_json, told.verbose)
    options, path = how.options(console_login=True), which.path
    with state.locked(name) as directory:
        plan = plan_of(Wish(name, size.nodes, size.masters, size.hardware, auto), options, path, how.out)
        with _kept_unless_interrupted(name, directory):
            cluster = lifecycle.create(plan, directory)
            _boot(cluster, wait, auto)
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig), "ready": wait}, how_to(name, wait, auto), told.as_json)


@contextmanager
def _kept_unless_interrupted(name: str, directory: Path) -> Iterator[None]:
    """A cluster that fails to come up is left for a look; one that the user gives up is removed."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted: removing the cluster {name}")
        discard(name, directory)
        raise
    except Exception:
        if state.is_cluster(directory):
            say(f"the cluster is left for a look: kubeiso logs --name {name}; kubeiso down --name {name} removes it")
        raise


def discard(name: str, directory: Path) -> None:
    """Ends what runs of a cluster and removes the rest, however far it came."""
    ignore_interrupts()
    if state.is_cluster(directory) or state.is_unfinished(directory):
        lifecycle.down(name, grace=0)


def _boot(cluster: Cluster, wait: bool, auto: bool) -> None:
    with released(lifecycle.start(cluster)) as machines:
        scale = lifecycle.wait_ready(cluster.nodes, machines)
        if wait and auto:
            whole(cluster, machines, scale, form.by_themselves(cluster, machines))
        elif wait:
            form.init(cluster, machines, scale)
            form.join(cluster, [node for node in cluster.nodes if node != cluster.masters[0]], machines, scale)
            whole(cluster, machines, scale)
