"""The verbs for a cluster's machines: stop and start."""

from typing import Annotated

import typer

from builder.cli.clusters import released, runs, whole
from builder.cli.common import Json, Name, Verbose, choose_sink, show
from builder.cli.nodes import named
from builder.cluster import lifecycle, state
from builder.cluster.kubectl import pace_of

app = typer.Typer()
NodeNames = Annotated[list[str] | None, typer.Argument(metavar="NODE...", help="The nodes (default: all).")]


@app.command(epilog="Examples:  kubeiso stop kubeiso-worker-1\n\n           kubeiso stop --force")
def stop(
    nodes: NodeNames = None,
    name: Name = "kubeiso",
    force: Annotated[bool, typer.Option("--force", help="As a power cut, without a word to the node.")] = False,
    as_json: Json = False,
) -> None:
    """Ends machines of a cluster by their power button; what they have on a disk stays."""
    choose_sink(as_json)
    with state.locked(name):
        cluster = state.load(name)
        endings = {
            node.name: lifecycle.stop(node.directory, 0 if force else 60 * pace_of(cluster)) for node in named(cluster, nodes)
        }
    show({"cluster": name, "endings": endings}, "\n".join(f"{node}: {how}" for node, how in endings.items()), as_json)


@app.command(epilog="Example:  kubeiso start kubeiso-worker-1")
def start(nodes: NodeNames = None, name: Name = "kubeiso", as_json: Json = False, verbose: Verbose = False) -> None:
    """Starts machines of a cluster that do not run, and waits until all is Ready again where it was before."""
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        wanted = [node for node in named(cluster, nodes) if not runs(node)]
        with released(lifecycle.start(cluster, wanted)) as machines:
            scale = lifecycle.wait_ready(wanted, machines) if wanted else pace_of(cluster)
            if cluster.kubeconfig.exists() and all(runs(node) for node in cluster.nodes):
                whole(cluster, machines, scale)
    started = [node.name for node in wanted]
    show({"cluster": name, "started": started}, f"started: {', '.join(started) or 'all ran already'}", as_json)
