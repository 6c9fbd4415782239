"""The verbs for clusters on this machine: up, init, status, down."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from builder.checks import Check, Engine, Outcome
from builder.cli.common import Json, Name, Verbose, choose_sink, show
from builder.cluster import lifecycle, state
from builder.cluster.kubectl import Kubectl
from builder.cluster.machines import afford
from builder.cluster.model import WORKER, Cluster, Node
from builder.console.story import Story
from builder.errors import CheckError, InputError
from builder.forming import form
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.machine.model import CONSOLE_LOG

app = typer.Typer()
Machines = dict[str, Machine]


@contextmanager
def released(machines: Machines) -> Iterator[Machines]:
    """The machines, whose consoles are free again afterwards."""
    try:
        yield machines
    finally:
        for machine in machines.values():
            machine.close()


def whole(cluster: Cluster, machines: Machines, scale: float, first: Sequence[Check] = ()) -> None:
    """Every readiness check in order, after those that come first; raises CheckError unless all pass."""
    engine = Engine(scale, lambda: lifecycle.obituary(machines))
    engine.run([*first, *Readiness(cluster, Kubectl(cluster)).checks()])
    _demand(cluster, engine)


def _demand(cluster: Cluster, engine: Engine) -> None:
    """Raises CheckError for the first check that failed."""
    failed = next((finding for finding in engine.findings if finding.outcome is Outcome.FAILED), None)
    if failed:
        raise CheckError(f"{failed.name}: not so", why=failed.reason, hint=f"kubeiso logs --name {cluster.name}")


def _named(name: str) -> str:
    """The option that names the cluster, where it is not the default one."""
    return "" if name == "kubeiso" else f" --name {name}"


def how_to(name: str, ready: bool, auto: bool = False) -> str:
    option = _named(name)
    if auto and not ready:
        return f"the machines run, and form the cluster by themselves.  next: kubeiso status{option}"
    if not ready:
        return f"the machines run.  next: kubeiso init{option}"
    return "\n".join([
        "the cluster is Ready.  what you can do with it:",
        f"  export KUBECONFIG=$(kubeiso kubeconfig{option})",
        "  $(dirname $KUBECONFIG)/kubectl get nodes,pods -A",
        f"  kubeiso shell{option}        the node's console",
        f"  kubeiso status{option}       every check, now",
        f"  kubeiso down{option}         end it and remove it",
    ])  # fmt: skip


@app.command(epilog="Example:  kubeiso init --name try")
def init(name: Name = "kubeiso", as_json: Json = False, verbose: Verbose = False) -> None:
    """Runs kubeadm init over the first master's console, and waits until all is Ready where there is no other node."""
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        alone = len(cluster.nodes) == 1
        with released(lifecycle.attach(cluster)) as machines:
            scale = lifecycle.measured_scale(machines)
            form.init(cluster, machines, scale)
            if alone:
                whole(cluster, machines, scale)
    text = how_to(name, True) if alone else f"the master runs.  next: kubeiso join{_named(name)}"
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig)}, text, as_json)


@app.command(epilog="Examples:  kubeiso join\n\n           kubeiso join --add 1")
def join(
    name: Name = "kubeiso",
    add: Annotated[int, typer.Option("--add", min=0, help="Starts so many further workers first.")] = 0,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Runs kubeadm join on every node that is not in the cluster yet, and waits until all is Ready."""
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        joining = form.missing(cluster)
        if add:
            joining += _added(cluster, add)
            cluster = state.load(name)
        with released(lifecycle.attach(cluster)) as machines:
            scale = lifecycle.measured_scale(machines)
            form.join(cluster, joining, machines, scale)
            whole(cluster, machines, scale)
    names = [node.name for node in joining]
    show({"cluster": name, "joined": names}, f"joined: {', '.join(names) or 'all nodes were in already'}", as_json)


def _added(cluster: Cluster, count: int) -> list[Node]:
    """So many further workers with their services running."""
    if WORKER not in cluster.media:
        hint = "start it with --nodes 2 or more, which builds the workers' ISO"
        raise InputError(f"the cluster {cluster.name} has no ISO for workers", hint=hint)
    afford(cluster.hardware, cluster.acceleration, 0, count, running=sum(map(runs, cluster.nodes)))
    larger = lifecycle.extend(cluster, 0, count)
    more = [node for node in larger.nodes if node not in cluster.nodes]
    with released(lifecycle.start(larger, more)) as machines:
        lifecycle.wait_ready(more, machines)
    return more


@app.command(epilog="Example:  kubeiso status --json")
def status(name: Name = "kubeiso", as_json: Json = False) -> None:
    """Every readiness check as it stands now; exit code 5 unless all pass."""
    cluster = state.load(name)
    running = {node.name: runs(node) for node in cluster.nodes}
    engine = Engine(0.0, lambda: None)
    if all(running.values()) and cluster.kubeconfig.exists():
        engine.run(Readiness(cluster, Kubectl(cluster, timeout=20)).checks())
    rows = [f"{node.name:24} {node.role:8} {'running' if running[node.name] else 'not running'}" for node in cluster.nodes]
    notes = {node.name: notes_of(node) for node in cluster.nodes if running[node.name]}
    rows += [f"{'note':8} {name}: {step}: {note}" for name, said in notes.items() for step, note in said.items()]
    rows += [f"{finding.outcome.value:8} {finding.id:5} {finding.name}: {finding.reason}" for finding in engine.findings]
    checks = [finding.model_dump(mode="json") for finding in engine.findings]
    show({"cluster": name, "nodes": running, "notes": notes, "checks": checks}, "\n".join(rows), as_json)
    _verdict(cluster, running, engine)


def _demand_whole(cluster: Cluster) -> None:
    """Raises CheckError with the reason of the first node that told at its boot that it runs without its kubelet."""
    for node in cluster.nodes:
        if reason := Story.from_log(node.directory / CONSOLE_LOG).degraded:
            raise lifecycle.degraded(node.name, reason)


def notes_of(node: Node) -> dict[str, str]:
    """What the steps of the node's boot found out, by the step's name (LinuxKit puts a number before it)."""
    told = Story.from_log(node.directory / CONSOLE_LOG).stages
    said = {stage.name.partition("-")[2]: (stage.model_extra or {}).get("note") for stage in told if stage.stage == "onboot"}
    return {step: str(note) for step, note in said.items() if note}


def runs(node: Node) -> bool:
    try:
        return Machine.attach(node.directory).alive()
    except CheckError:
        return False


def _verdict(cluster: Cluster, running: Mapping[str, bool], engine: Engine) -> None:
    """Raises CheckError with what keeps the cluster from being whole."""
    if down := [node for node, alive in running.items() if not alive]:
        hint = f"kubeiso logs --name {cluster.name}; kubeiso down --name {cluster.name} removes the cluster"
        raise CheckError(f"{', '.join(down)} does not run", hint=hint)
    _demand_whole(cluster)
    if not cluster.kubeconfig.exists():
        raise CheckError("kubeadm init has not been run", hint=f"kubeiso init --name {cluster.name}")
    _demand(cluster, engine)


@app.command(epilog="Example:  kubeiso down --name try")
def down(name: Name = "kubeiso", as_json: Json = False) -> None:
    """Ends the machines and removes everything of the cluster."""
    choose_sink(as_json)
    with state.locked(name):
        endings = lifecycle.down(name)
    show({"cluster": name, "endings": endings}, "\n".join(endings), as_json)
