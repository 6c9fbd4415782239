"""The verb test: a whole run that ends with a verdict."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from builder.acceptance import report
from builder.acceptance.drawn import OFFLINE, SEED, Choice, chosen, conformance_tests
from builder.acceptance.ledger import FILE, LOGS, Ledger
from builder.acceptance.model import Report
from builder.acceptance.results import results
from builder.acceptance.run import Asked, Suite, run_suite
from builder.acceptance.suites import known
from builder.checks import Outcome
from builder.cli.common import Name, choose_sink, open_store, out_folder, show
from builder.cli.completion import suites
from builder.cli.options import How, Size, Told, Which, spread
from builder.cli.up import Wish, discard, plan_of
from builder.cluster import lifecycle, state
from builder.cluster.lifecycle import ClusterPlan
from builder.errors import CheckError, InputError
from builder.pipeline.clusters import e2e_test, facts
from builder.pipeline.model import BuildOptions, Plan
from builder.progress import note
from builder.project import Project
from builder.reading.words import one_of
from builder.store import file_digest

app = typer.Typer()
ANEW = "leave --resume out: the run begins anew"


@dataclass(frozen=True)
class Tests:
    """Which of others' tests run, in a suite that asks for it."""

    draw: Annotated[int | None, typer.Option("--draw", metavar="N", min=1, help="Runs N tests, drawn by --seed.")] = None
    seed: Annotated[int | None, typer.Option("--seed", help=f"Another number draws others (default {SEED}).")] = None
    focus: Annotated[str | None, typer.Option("--focus", metavar="REGEX", help="Runs those whose full names it matches.")] = None
    resume: Annotated[bool, typer.Option("--resume", help="Goes on with the tests that an interrupted run left.")] = False

    @property
    def choice(self) -> Choice:
        return Choice(self.draw, self.seed, self.focus or "")

    def refuse(self, suite: Suite) -> None:
        """Raises InputError for options that say nothing together, or nothing to this suite."""
        given = [f"--{name}" for name in ("draw", "seed", "focus", "resume") if getattr(self, name) not in (None, False)]
        if given and not suite.chooses:
            able = ", ".join(each.name for each in known().values() if each.chooses)
            raise InputError(f"{given[0]} says nothing to the suite {suite.name}", hint=f"--suite {able}")
        if self.resume and self.choice.made:
            why = "the tests are those of the run that is resumed"
            raise InputError(f"--resume and {given[0]} are given together", why=why, hint="give one of them")
        if self.seed is not None and self.draw is None:
            raise InputError("--seed without --draw says nothing", hint=f"such as --draw 40 --seed {self.seed}")
        if self.focus == "":
            raise InputError("--focus is empty", hint="leave it out to run every test")


@dataclass
class Theirs:
    """Kubernetes' own tests for a run: the program, and which of them. where: the folder of results."""

    suite: Suite
    tests: Tests
    where: Path
    options: BuildOptions
    program: Path | None = None
    ledger: Ledger | None = None
    names: tuple[str, ...] = ()

    def choose(self, plan: Plan) -> None:
        """Before anything else is built. Raises InputError for what can't be chosen."""
        if self.suite.e2e and plan.expected and not plan.expected.conformance:
            raise InputError(
                f"the suite {self.suite.name} can't be run with Kubernetes {plan.pins}",
                why="the images that its tests name are not made", hint="choose another version in the recipe",
            )  # fmt: skip
        if self.suite.e2e:
            self.program = e2e_test(Project.here(), open_store(), self.options, plan.target)
        if self.suite.chooses and self.tests.resume:
            self.ledger = Ledger.read(self.where / FILE)
            if not self.ledger.left:
                raise InputError(
                    "there is nothing left to resume", why=f"all tests of {self.where} have their results", hint=ANEW
                )
        elif self.suite.chooses and self.program:
            without = {**OFFLINE, **plan.runtime.conformance_without}
            self.names = chosen(conformance_tests(self.program), self.tests.choice, without)
            for name, reason in without.items():
                note(f"left out: {name}: {reason}")

    def open(self, plan: ClusterPlan) -> None:
        """Once the media are there. Raises InputError where those of the run that is to be resumed were others."""
        if not self.suite.chooses:
            return
        assert self.program, "choose() came first"
        media = {f"medium of the {role}s": file_digest(path) for role, path in plan.media.items()}
        build = {"runtime": plan.runtime.name, "e2e.test": file_digest(self.program), **media}
        if self.ledger is None:
            self.ledger = Ledger.new(self.where / FILE, build, self.names)
        else:
            self.ledger.refuse_other(build)
            self.ledger.resume()


@app.command(
    epilog="Examples:  kubeiso test --runtime cri-containerd --suite smoke --firmware uefi"
    "\n\n           kubeiso test --suite conformance --nodes 2 --draw 40 --seed 7"
    "\n\n           kubeiso test --suite conformance --nodes 2 --focus 'HostPort|ConfigMap'"
    "\n\n           kubeiso test --suite conformance --nodes 2 --resume"
)
@spread
def test(
    which: Which,
    size: Size,
    how: How,
    told: Told,
    tests: Tests,
    suite_name: Annotated[str, typer.Option("--suite", help=", ".join(known()), autocompletion=suites)] = "smoke",
    name: Name = "test",
) -> None:
    """Builds, boots, inits, checks and tears down; exit code 0 only when every check was seen to pass."""
    choose_sink(told.as_json, told.verbose)
    if suite_name not in known():
        raise InputError(f"there is no suite {suite_name}", hint=one_of(suite_name, known()))
    suite = known()[suite_name]
    tests.refuse(suite)
    options = replace(how.options(console_login=True), extra=suite.extra)
    path = which.path
    kind = f"{path.stem}-{suite_name}-{size.firmware.value}-{size.attach.value}"
    where = out_folder(how.out) / (f"test-{kind}" if name == "test" else f"test-{kind}-{name}")
    theirs = Theirs(suite, tests, where, options)

    def accept(plan: Plan) -> None:
        policies = plan.recipe.network.policies
        suite.refuse(Asked(size.nodes, size.masters, size.disk, facts(plan).classes, policies))
        theirs.choose(plan)

    with state.locked(name) as directory:
        plan = plan_of(Wish(name, size.nodes, size.masters, size.hardware), options, path, how.out, accept)
        with results(where, (FILE, LOGS) if tests.resume else ()):
            theirs.open(plan)
            found = _run(plan, directory, theirs)
    show(found.model_dump(mode="json"), report.text(found), told.as_json)
    _verdict(found, where)


def _run(plan: ClusterPlan, directory: Path, theirs: Theirs) -> Report:
    """The report, which lies in the folder of results too; the cluster is gone afterwards."""
    try:
        return run_suite(lifecycle.create(plan, directory), theirs.suite, theirs.where, theirs.program, theirs.ledger)
    finally:
        discard(plan.name, directory)
        if theirs.ledger and theirs.ledger.left:
            done, all_of = theirs.ledger.done, len(theirs.ledger.plan.names)
            note(f"{done} of {all_of} tests have their results; --resume in place of --draw, --seed and --focus goes on")


def _verdict(found: Report, results: Path) -> None:
    """Raises CheckError unless every check was seen to pass."""
    if found.passed:
        return
    failed = next((finding for finding in found.findings if finding.outcome is Outcome.FAILED), None)
    what = f"the suite {found.suite} failed: {failed.name}" if failed else f"the suite {found.suite} ran no check"
    raise CheckError(what, why=failed.reason if failed else "", hint=f"see {results}")
