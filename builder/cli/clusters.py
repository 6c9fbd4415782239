"""The verbs for clusters on this machine: up, init, status, down."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.common import (
    AssemblerName,
    AttachmentOption,
    FirmwareOption,
    Json,
    Memory,
    Name,
    Nodes,
    Offline,
    Out,
    Overrides,
    Recipe,
    Runtime,
    Values,
    Verbose,
    build_options,
    choose_sink,
    demand_tools,
    open_store,
    out_folder,
    recipe_path,
    say,
    show,
)
from builder.cli.interrupt import ignore_interrupts
from builder.cluster import lifecycle, state
from builder.cluster.engine import Engine
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Node, Outcome
from builder.cluster.readiness import Readiness
from builder.errors import CheckError, InputError
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import Hardware, cluster_plan
from builder.pipeline.doctor import MEDIA_TOOLS, RUN_TOOLS
from builder.pipeline.model import BuildOptions
from builder.project import Project

app = typer.Typer()
Machines = dict[str, Machine]


def plan_of(name: str, nodes: int, options: BuildOptions, path: Path, out: Path, hardware: Hardware) -> ClusterPlan:
    """Builds what a new cluster of this recipe boots from. Raises InputError where the name is taken already."""
    if nodes != 1:
        raise InputError(f"a cluster of {nodes} nodes can't be made yet", hint="--nodes 1")
    if (state.directory_of(name) / "cluster.json").exists():
        raise InputError(f"the cluster {name} exists already", hint=f"kubeiso down --name {name}, or take another --name")
    demand_tools(options, (*MEDIA_TOOLS, *RUN_TOOLS))
    return cluster_plan(Project.here(), path, open_store(), out_folder(out), options, name=name, hardware=hardware)


@app.command(epilog="Examples:  kubeiso up --wait\n\n           kubeiso up --runtime cri-containerd --name try --memory 2048")
def up(
    runtime: Runtime = None,
    recipe: Recipe = None,
    name: Name = "kubeiso",
    nodes: Nodes = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Also runs init and waits until all is Ready.")] = False,
    memory: Memory = 3072,
    firmware: FirmwareOption = Firmware.BIOS,
    attach: AttachmentOption = Attachment.CDROM,
    offline: Offline = False,
    assembler: AssemblerName = "auto",
    component: Overrides = None,
    values: Values = None,
    out: Out = Path("out"),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Boots the machines of a cluster and leaves them running."""
    choose_sink(as_json, verbose)
    options = build_options(assembler=assembler, offline=offline, overrides=component, values=values, console_login=True)
    path = recipe_path(Project.here(), runtime, recipe)
    hardware = Hardware(memory=memory, firmware=firmware, attachment=attach)
    with state.locked(name) as directory:
        plan = plan_of(name, nodes, options, path, out, hardware)
        with _kept_unless_interrupted(name, directory):
            cluster = lifecycle.create(plan, directory)
            _boot(plan, cluster, wait)
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig), "ready": wait}, _how_to(name, wait), as_json)


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
        if (directory / "cluster.json").exists():
            say(f"the cluster is left for a look: kubeiso logs --name {name}; kubeiso down --name {name} removes it")
        raise


def discard(name: str, directory: Path) -> None:
    """Ends what runs of a cluster and removes the rest, however far it came."""
    ignore_interrupts()
    if (directory / "cluster.json").exists():
        lifecycle.down(name, grace=0)
    shutil.rmtree(directory, ignore_errors=True)


def _boot(plan: ClusterPlan, cluster: Cluster, wait: bool) -> None:
    with _released(lifecycle.start(plan, cluster)) as machines:
        scale = lifecycle.wait_ready(cluster, machines)
        if wait:
            _form(cluster, machines, scale)


@contextmanager
def _released(machines: Machines) -> Iterator[Machines]:
    """The machines, whose consoles are free again afterwards."""
    try:
        yield machines
    finally:
        for machine in machines.values():
            machine.close()


def _form(cluster: Cluster, machines: Machines, scale: float) -> None:
    """kubeadm init, and every readiness check in order; raises CheckError unless all pass."""
    lifecycle.init(cluster, machines, scale)

    def alive() -> None:
        for machine in machines.values():
            if reason := machine.obituary():
                raise CheckError(reason)

    engine = Engine(scale, alive)
    engine.run(Readiness(cluster, Kubectl(cluster)).checks())
    _demand(cluster, engine)


def _demand(cluster: Cluster, engine: Engine) -> None:
    """Raises CheckError for the first check that failed."""
    failed = next((finding for finding in engine.findings if finding.outcome is Outcome.FAILED), None)
    if failed:
        raise CheckError(f"{failed.name}: not so", why=failed.reason, hint=f"kubeiso logs --name {cluster.name}")


def _how_to(name: str, ready: bool) -> str:
    option = "" if name == "kubeiso" else f" --name {name}"
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
    """Runs kubeadm init over the master's console and waits until all is Ready."""
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        with _released(lifecycle.attach(cluster)) as machines:
            _form(cluster, machines, lifecycle.measured_scale(machines[cluster.masters[0].name]))
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig)}, _how_to(name, True), as_json)


@app.command(epilog="Example:  kubeiso status --json")
def status(name: Name = "kubeiso", as_json: Json = False) -> None:
    """Every readiness check as it stands now; exit code 5 unless all pass."""
    cluster = state.load(name)
    running = {node.name: _runs(node) for node in cluster.nodes}
    engine = Engine(0.0, lambda: None)
    if all(running.values()) and cluster.kubeconfig.exists():
        engine.run(Readiness(cluster, Kubectl(cluster, timeout=20)).checks())
    rows = [f"{node.name:24} {node.role:8} {'running' if running[node.name] else 'not running'}" for node in cluster.nodes]
    rows += [f"{finding.outcome.value:8} {finding.id:5} {finding.name}: {finding.reason}" for finding in engine.findings]
    checks = [finding.model_dump(mode="json") for finding in engine.findings]
    show({"cluster": name, "nodes": running, "checks": checks}, "\n".join(rows), as_json)
    _verdict(cluster, running, engine)


def _runs(node: Node) -> bool:
    try:
        return Machine.attach(node.directory).alive()
    except CheckError:
        return False


def _verdict(cluster: Cluster, running: Mapping[str, bool], engine: Engine) -> None:
    """Raises CheckError with what keeps the cluster from being whole."""
    if down := [node for node, alive in running.items() if not alive]:
        hint = f"kubeiso logs --name {cluster.name}; kubeiso down --name {cluster.name} removes the cluster"
        raise CheckError(f"{', '.join(down)} does not run", hint=hint)
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
