"""The verbs for clusters on this machine: up, init, status, shell, logs, kubeconfig, down, test."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from builder.cli.common import (
    AssemblerName,
    Json,
    Offline,
    Out,
    Overrides,
    Recipe,
    Runtime,
    Values,
    Verbose,
    build_options,
    choose_sink,
    open_store,
    recipe_path,
    say,
    show,
)
from builder.cli.session import session
from builder.cluster import lifecycle, report, state, suite
from builder.cluster.engine import Engine
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.readiness import Readiness
from builder.deadline import Deadline
from builder.errors import CheckError, InputError
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import Hardware, cluster_plan
from builder.pipeline.model import BuildOptions
from builder.project import Project

app = typer.Typer()
Name = Annotated[str, typer.Option("--name", help="The cluster's name.")]
Nodes = Annotated[int, typer.Option("--nodes", min=1, help="How many nodes.")]
Memory = Annotated[int, typer.Option("--memory", min=1800, help="Memory of a master, MiB.")]
FirmwareOption = Annotated[Firmware, typer.Option("--firmware", help="What the machines boot with.")]
AttachmentOption = Annotated[Attachment, typer.Option("--attach", help="How the ISO is attached.")]


def _plan(name: str, nodes: int, options: BuildOptions, path: Path, out: Path, hardware: Hardware) -> ClusterPlan:
    """Builds what a cluster of this recipe boots from."""
    if nodes != 1:
        raise InputError(f"a cluster of {nodes} nodes can't be made yet", hint="--nodes 1")
    return cluster_plan(Project.here(), path, open_store(), out, options, name=name, hardware=hardware)


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
    with state.locked(name) as directory:
        if (directory / "cluster.json").exists():
            raise InputError(f"the cluster {name} exists already", hint=f"kubeiso down --name {name}, or take another --name")
        plan = _plan(name, nodes, options, path, out, Hardware(memory=memory, firmware=firmware, attachment=attach))
        cluster = lifecycle.create(plan, directory)
        try:
            machines = lifecycle.start(plan, cluster)
            scale = lifecycle.wait_ready(cluster, machines)
            if wait:
                lifecycle.init(cluster, machines, scale)
                _ready(name, scale)
        except BaseException:
            say(f"the cluster is left for a look: kubeiso logs --name {name}; kubeiso down --name {name} removes it")
            raise
        finally:
            for machine in locals().get("machines", {}).values():
                machine.close()
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig), "ready": wait}, _how_to(name, wait), as_json)


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


def _ready(name: str, scale: float) -> None:
    """Every readiness check, in order; raises CheckError unless all pass."""
    cluster = state.load(name)
    machines = lifecycle.attach(cluster)

    def alive() -> None:
        for machine in machines.values():
            if reason := machine.obituary():
                raise CheckError(reason)

    engine = Engine(scale, alive)
    if not engine.run(Readiness(cluster, Kubectl(cluster)).checks()):
        failed = next(f for f in engine.findings if f.outcome.value == "failed")
        raise CheckError(f"{failed.name}: {failed.reason}", hint=f"kubeiso logs --name {name}")


@app.command(epilog="Example:  kubeiso init --name try")
def init(name: Name = "kubeiso", as_json: Json = False, verbose: Verbose = False) -> None:
    """Runs kubeadm init over the master's console and waits until all is Ready."""
    choose_sink(as_json, verbose)
    with state.locked(name):
        cluster = state.load(name)
        machines = lifecycle.attach(cluster)
        try:
            scale = lifecycle.measured_scale(machines[cluster.masters[0].name])
            lifecycle.init(cluster, machines, scale)
            _ready(name, scale)
        finally:
            for machine in machines.values():
                machine.close()
    show({"cluster": name, "kubeconfig": str(cluster.kubeconfig)}, _how_to(name, True), as_json)


@app.command(epilog="Example:  kubeiso status --json")
def status(name: Name = "kubeiso", as_json: Json = False) -> None:
    """Every readiness check as it stands now; exit code 5 unless all pass."""
    cluster = state.load(name)
    machines = lifecycle.attach(cluster)
    running = {node.name: machines[node.name].alive() for node in cluster.nodes}
    engine = Engine(0.0, lambda: None)
    if all(running.values()) and cluster.kubeconfig.exists():
        engine.run(Readiness(cluster, Kubectl(cluster, timeout=20)).checks())
    rows = [f"{node.name:24} {node.role:8} {'running' if running[node.name] else 'not running'}" for node in cluster.nodes]
    rows += [f"{f.outcome.value:8} {f.id:5} {f.name}: {f.reason}" for f in engine.findings]
    if not cluster.kubeconfig.exists():
        rows.append("kubeadm init has not been run")
    show({"nodes": running, "checks": [f.model_dump(mode="json") for f in engine.findings]}, "\n".join(rows), as_json)
    if not engine.findings or engine.failed:
        raise typer.Exit(CheckError.exit_code)


@app.command(epilog="Examples:  kubeiso shell\n\n           kubeiso shell --command 'ctr -n k8s.io tasks ls'")
def shell(
    node: Annotated[str | None, typer.Argument(help="The node (default: the first master).")] = None,
    name: Name = "kubeiso",
    command: Annotated[str | None, typer.Option("--command", help="Runs this on the node instead of a session.")] = None,
) -> None:
    """The node's console in this terminal, or one command on it."""
    cluster = state.load(name)
    machine = Machine.attach((cluster.node(node) if node else cluster.masters[0]).directory)
    if command is None:
        session(machine.spec.console_socket)
        return
    try:
        ended = machine.console().run(command, Deadline.after(600), print)
    finally:
        machine.close()
    raise typer.Exit(ended.code)


@app.command(epilog="Example:  kubeiso logs --follow")
def logs(
    node: Annotated[str | None, typer.Argument(help="The node (default: the first master).")] = None,
    name: Name = "kubeiso",
    file: Annotated[str | None, typer.Option("--file", help="A log on the node, such as kubelet or containerd.")] = None,
) -> None:
    """A node's console log from its first byte, or a log file of the node."""
    cluster = state.load(name)
    chosen = cluster.node(node) if node else cluster.masters[0]
    machine = Machine.attach(chosen.directory)
    if file is None:
        print(machine.spec.console_log.read_text(errors="replace"))
        return
    try:
        print(machine.console().run(f"cat /var/log/{Path(file).stem}.log", Deadline.after(120)).output)
    finally:
        machine.close()


@app.command(epilog="Example:  export KUBECONFIG=$(kubeiso kubeconfig)")
def kubeconfig(name: Name = "kubeiso") -> None:
    """Prints the path of the cluster's kubeconfig."""
    cluster = state.load(name)
    if not cluster.kubeconfig.exists():
        raise InputError(f"the cluster {name} has no kubeconfig yet", hint=f"kubeiso init --name {name}")
    print(cluster.kubeconfig)


@app.command(epilog="Example:  kubeiso down --name try")
def down(name: Name = "kubeiso", as_json: Json = False) -> None:
    """Ends the machines and removes everything of the cluster."""
    choose_sink(as_json)
    with state.locked(name):
        endings = lifecycle.down(name)
    show({"cluster": name, "endings": endings}, "\n".join(endings), as_json)


@app.command(epilog="Example:  kubeiso test --runtime cri-containerd --suite smoke --firmware uefi")
def test(
    runtime: Runtime = None,
    recipe: Recipe = None,
    suite_name: Annotated[str, typer.Option("--suite", help="smoke")] = "smoke",
    nodes: Nodes = 1,
    name: Name = "test",
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
    """Builds, boots, inits, checks and tears down; exit code 0 only when every check was seen to pass."""
    choose_sink(as_json, verbose)
    if suite_name not in suite.SUITES:
        raise InputError(f"there is no suite {suite_name}", hint=f"known are: {', '.join(suite.SUITES)}")
    options = build_options(assembler=assembler, offline=offline, overrides=component, values=values, console_login=True)
    path = recipe_path(Project.here(), runtime, recipe)
    with state.locked(name) as directory:
        plan = _plan(name, nodes, options, path, out, Hardware(memory=memory, firmware=firmware, attachment=attach))
        results = out / f"test-{path.stem}-{suite_name}-{firmware.value}-{attach.value}"
        shutil.rmtree(results, ignore_errors=True)
        cluster = lifecycle.create(plan, directory)
        try:
            found = suite.run_suite(plan, cluster, suite_name, results)
            for node in cluster.nodes:
                if node.directory.exists():
                    shutil.copy2(node.directory / "console.log", results / f"{node.name}.console.log")
        finally:
            lifecycle.down(name, grace=0)
    show(found.model_dump(mode="json"), report.text(found), as_json)
    if not found.passed:
        failed = next((f for f in found.findings if f.outcome.value == "failed"), None)
        raise CheckError(
            f"the suite {suite_name} failed: {failed.name}" if failed else f"the suite {suite_name} ran no check",
            why=failed.reason if failed else "",
            hint=f"see {results}",
        )
