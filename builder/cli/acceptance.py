"""The verb test: a whole run that ends with a verdict."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from builder.acceptance import report
from builder.acceptance.model import Report
from builder.acceptance.results import results
from builder.acceptance.run import Asked, Suite, run_suite
from builder.acceptance.suites import known
from builder.checks import Outcome
from builder.cli.common import Name, choose_sink, open_store, out_folder, show
from builder.cli.options import How, Size, Told, Which, spread
from builder.cli.up import Wish, discard, plan_of
from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import RuntimeFacts
from builder.errors import CheckError, InputError
from builder.pipeline.clusters import e2e_test
from builder.project import Project
from builder.reading.words import one_of

app = typer.Typer()


@app.command(epilog="Example:  kubeiso test --runtime cri-containerd --suite smoke --firmware uefi")
@spread
def test(
    which: Which,
    size: Size,
    how: How,
    told: Told,
    suite_name: Annotated[str, typer.Option("--suite", help=", ".join(known()))] = "smoke",
    name: Name = "test",
) -> None:
    """Builds, boots, inits, checks and tears down; exit code 0 only when every check was seen to pass."""
    choose_sink(told.as_json, told.verbose)
    if suite_name not in known():
        raise InputError(f"there is no suite {suite_name}", hint=one_of(suite_name, known()))
    suite = known()[suite_name]
    options = replace(how.options(console_login=True), conformance=suite.conformance, images=suite.images)
    path = which.path
    kind = f"{path.stem}-{suite_name}-{size.firmware.value}-{size.attach.value}"
    where = out_folder(how.out) / (f"test-{kind}" if name == "test" else f"test-{kind}-{name}")

    def accept(runtime: RuntimeFacts) -> None:
        suite.refuse(Asked(size.nodes, size.masters, size.disk, runtime.classes))

    with state.locked(name) as directory:
        plan = plan_of(Wish(name, size.nodes, size.masters, size.hardware), options, path, how.out, accept)
        theirs = e2e_test(Project.here(), open_store(), options) if options.conformance else None
        with results(where):
            found = _run(plan, directory, suite, where, theirs)
    show(found.model_dump(mode="json"), report.text(found), told.as_json)
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
