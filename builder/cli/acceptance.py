"""The verb test: a whole run that ends with a verdict."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from builder.acceptance import report, suite
from builder.acceptance.model import Report
from builder.acceptance.page import console_file, page
from builder.aside import write_aside
from builder.checks import Outcome
from builder.cli.clusters import Wish, discard, plan_of
from builder.cli.common import (
    AssemblerName,
    AttachmentOption,
    Disk,
    FirmwareOption,
    Json,
    KubernetesDir,
    Masters,
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
    WorkerMemory,
    build_options,
    choose_sink,
    open_store,
    recipe_path,
    show,
)
from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Hardware
from builder.errors import CheckError, InputError
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import e2e_test
from builder.project import Project
from builder.recipe.words import one_of

app = typer.Typer()


@app.command(epilog="Example:  kubeiso test --runtime cri-containerd --suite smoke --firmware uefi")
def test(
    runtime: Runtime = None,
    recipe: Recipe = None,
    suite_name: Annotated[str, typer.Option("--suite", help=", ".join(suite.SUITES))] = "smoke",
    nodes: Nodes = 1,
    masters: Masters = 1,
    name: Name = "test",
    memory: Memory = 3072,
    worker_memory: WorkerMemory = 1536,
    disk: Disk = 0,
    firmware: FirmwareOption = Firmware.BIOS,
    attach: AttachmentOption = Attachment.CDROM,
    offline: Offline = False,
    assembler: AssemblerName = "auto",
    component: Overrides = None,
    kubernetes_dir: KubernetesDir = None,
    values: Values = None,
    out: Out = Path("out"),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Builds, boots, inits, checks and tears down; exit code 0 only when every check was seen to pass."""
    choose_sink(as_json, verbose)
    if suite_name not in suite.SUITES:
        raise InputError(f"there is no suite {suite_name}", hint=one_of(suite_name, suite.SUITES))
    _suits(suite_name, nodes, masters, disk)
    options = build_options(
        assembler=assembler, offline=offline, overrides=component, kubernetes_dir=kubernetes_dir, values=values,
        console_login=True,
    )  # fmt: skip
    options = replace(options, conformance=suite_name == "full")
    path = recipe_path(Project.here(), runtime, recipe)
    hardware = Hardware(memory=memory, worker_memory=worker_memory, disk=disk, firmware=firmware, attachment=attach)
    results = out / f"test-{path.stem}-{suite_name}-{firmware.value}-{attach.value}"
    with state.locked(name) as directory:
        plan = plan_of(Wish(name, nodes, masters, hardware), options, path, out)
        theirs = e2e_test(Project.here(), open_store(), options) if options.conformance else None
        found = _run(plan, directory, suite_name, results, theirs)
    show(found.model_dump(mode="json"), report.text(found), as_json)
    _verdict(found, results)


def _suits(suite_name: str, nodes: int, masters: int, disk: int) -> None:
    """Raises InputError for a suite that such a cluster can't pass."""
    if suite_name == "full" and (nodes == masters or not disk):
        why = "it stops, adds and restarts workers, whose state has to survive that"
        raise InputError("the suite full needs a worker and disks", why=why, hint="such as --nodes 3 --disk 4096")
    if suite_name == "failover" and (masters < 3 or not disk):
        why = "the masters that are left must be a majority, and the lost one has to find its state again"
        hint = "such as --masters 3 --nodes 4 --disk 4096"
        raise InputError("the suite failover needs three masters and disks", why=why, hint=hint)


def _run(plan: ClusterPlan, directory: Path, suite_name: str, results: Path, theirs: Path | None) -> Report:
    """The report, with each node's console beside it; the cluster is gone afterwards."""
    shutil.rmtree(results, ignore_errors=True)
    try:
        cluster = lifecycle.create(plan, directory)
        found = suite.run_suite(cluster, suite_name, results, theirs)
        cluster = state.load(plan.name)  # it may have grown
        _keep_consoles(cluster, results)
        _write_page(found, cluster, results)
        return found
    finally:
        discard(plan.name, directory)


def _keep_consoles(cluster: Cluster, results: Path) -> None:
    for node in cluster.nodes:
        if (log := node.directory / "console.log").exists():
            shutil.copy2(log, results / console_file(node.name))


def _write_page(found: Report, cluster: Cluster, results: Path) -> None:
    """report.html: the whole run on one page."""
    logs = {node.name: results / console_file(node.name) for node in cluster.nodes}
    consoles = {name: log.read_text(errors="replace") for name, log in logs.items() if log.exists()}
    screens = {image.stem: image.read_bytes() for image in sorted(results.glob("*.png"))}
    write_aside(results / "report.html", page(found, consoles, screens))


def _verdict(found: Report, results: Path) -> None:
    """Raises CheckError unless every check was seen to pass."""
    if found.passed:
        return
    failed = next((finding for finding in found.findings if finding.outcome is Outcome.FAILED), None)
    what = f"the suite {found.suite} failed: {failed.name}" if failed else f"the suite {found.suite} ran no check"
    raise CheckError(what, why=failed.reason if failed else "", hint=f"see {results}")
