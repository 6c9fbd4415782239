"""The verb test: a whole run that ends with a verdict."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from builder.acceptance import report
from builder.acceptance.model import Report
from builder.acceptance.results import results
from builder.acceptance.run import Suite, run_suite
from builder.acceptance.suites import known
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
    out_folder,
    recipe_path,
    show,
)
from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Hardware
from builder.errors import CheckError, InputError
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import e2e_test
from builder.project import Project
from builder.reading.words import one_of

app = typer.Typer()


@app.command(epilog="Example:  kubeiso test --runtime cri-containerd --suite smoke --firmware uefi")
def test(
    runtime: Runtime = None,
    recipe: Recipe = None,
    suite_name: Annotated[str, typer.Option("--suite", help=", ".join(known()))] = "smoke",
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
    if suite_name not in known():
        raise InputError(f"there is no suite {suite_name}", hint=one_of(suite_name, known()))
    suite = known()[suite_name]
    suite.refuse(nodes, masters, disk)
    options = build_options(
        assembler=assembler, offline=offline, overrides=component, kubernetes_dir=kubernetes_dir, values=values,
        console_login=True,
    )  # fmt: skip
    options = replace(options, conformance=suite.conformance)
    path = recipe_path(Project.here(), runtime, recipe)
    hardware = Hardware(memory=memory, worker_memory=worker_memory, disk=disk, firmware=firmware, attachment=attach)
    kind = f"{path.stem}-{suite_name}-{firmware.value}-{attach.value}"
    where = out_folder(out) / (f"test-{kind}" if name == "test" else f"test-{kind}-{name}")
    with state.locked(name) as directory:
        plan = plan_of(Wish(name, nodes, masters, hardware), options, path, out)
        theirs = e2e_test(Project.here(), open_store(), options) if options.conformance else None
        with results(where):
            found = _run(plan, directory, suite, where, theirs)
    show(found.model_dump(mode="json"), report.text(found), as_json)
    _verdict(found, where)


def _run(plan: ClusterPlan, directory: Path, suite: Suite, where: Path, theirs: Path | None) -> Report:
    """The report, which lies under `where` too; the cluster is gone afterwards."""
    try:
        return run_suite(lifecycle.create(plan, directory), suite, where, theirs)
    finally:
        discard(plan.name, directory)


def _verdict(found: Report, results: Path) -> None:
    """Raises CheckError unless every check was seen to pass."""
    if found.passed:
        return
    failed = next((finding for finding in found.findings if finding.outcome is Outcome.FAILED), None)
    what = f"the suite {found.suite} failed: {failed.name}" if failed else f"the suite {found.suite} ran no check"
    raise CheckError(what, why=failed.reason if failed else "", hint=f"see {results}")
