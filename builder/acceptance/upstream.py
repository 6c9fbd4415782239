"""Kubernetes' own conformance tests, one after another, each by a start of e2e.test of its own.

So a test that hangs, or takes the program down with it, is one result like the others, and what was seen before is kept.
"""

import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.acceptance.ginkgo import GOOD, TEST, bounds, is_test, message_of
from builder.acceptance.ledger import LOGS, Ledger, Result
from builder.checks import Check, NotYet, Outcome
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.progress import Step, note, step
from builder.run import last_line, spawn

# Seconds at native speed for a test: the longest ones, of CronJobs and probes, take a third of that.
_SECONDS = 900.0
_TAINT = "node-role.kubernetes.io/control-plane"
# Of Ginkgo's JUnit report (reporters/junit_report.go): a skipped test's message where it has a reason.
_BY_ITSELF = "skipped - "
IN_A_ROW = 3
"""After so many tests in a row that could not even begin, the cluster is at fault, and no further one is tried."""

SHOWN = 3
"""So many failed tests are named in the check's reason; the report has a line for each."""


@dataclass(frozen=True)
class Upstream:
    """e2e_test: the program, which runs on this machine. out: the folder of results. alive: raises when a machine is gone."""

    cluster: Cluster
    kubectl: Kubectl
    e2e_test: Path
    ledger: Ledger
    out: Path
    scale: float
    alive: Callable[[], None]

    def checks(self) -> list[Check]:
        count = len(self.ledger.plan.names)
        return [
            Check("C1", "two nodes at least take any pod", self.open_nodes),
            Check("C2", f"{count} of Kubernetes' own conformance tests", self.run_left, once=True),
        ]

    def open_nodes(self) -> str:
        """Some tests need two nodes for pods: where there is one worker, masters take pods too."""
        workers = len(self.cluster.nodes) - len(self.cluster.masters)
        if workers > 1:
            return f"{workers} workers"
        for master in self.cluster.masters:
            if self._tainted(master):
                self.kubectl.text("taint", "node", master.name, f"{_TAINT}-")
                if self._tainted(master):
                    raise NotYet(f"{master.name} takes no pods yet")
        return f"{len(self.cluster.nodes)} nodes, the masters among them"

    def _tainted(self, master: Node) -> bool:
        taints = self.kubectl.get("node", master.name)["spec"].get("taints", ())
        return any(taint.get("key") == _TAINT for taint in taints)

    def run_left(self) -> str:
        """Runs what has no result yet; raises NotYet where a test did not pass, CheckError where the tests can't go on."""
        (self.out / LOGS).mkdir(exist_ok=True)
        total, missed = len(self.ledger.plan.names), 0
        with step("Kubernetes' conformance tests", total=total, unit="tests") as work:
            work.advance(self.ledger.done, self._standing())
            for name in self.ledger.left:
                missed = 0 if self._one(name, work).begun else missed + 1
                if missed == IN_A_ROW:
                    message = self.ledger.results[name].message
                    raise CheckError(f"{IN_A_ROW} tests in a row could not begin: {message}")
        if wrong := self._of(Outcome.FAILED):
            told = "; ".join(f"{each.name}: {each.message}" for each in wrong[:SHOWN])
            raise NotYet(f"{len(wrong)} of {total} failed: {told}{'; ...' if len(wrong) > SHOWN else ''}")
        return f"{len(self._of(Outcome.PASSED))} of {total} passed"

    def _of(self, outcome: Outcome) -> list[Result]:
        return [result for result in self.ledger.results.values() if result.outcome is outcome]

    def _standing(self) -> str:
        return f"{len(self._of(Outcome.PASSED))} passed, {len(self._of(Outcome.FAILED))} failed"

    def _one(self, name: str, work: Step) -> Result:
        number = self.ledger.number(name)
        now = f"{self._standing()}; {number} {name}"
        result = self.tried(name, self.out / LOGS / f"{number:03}.log", lambda: work.advance(0, now))
        self.ledger.add(result)
        work.advance(1 if result.begun else 0, self._standing())
        why = f": {result.message}" if result.outcome is Outcome.FAILED else ""
        note(f"{result.outcome.value} {number} of {len(self.ledger.plan.names)} ({result.seconds:.0f} s) {name}{why}")
        return result

    def tried(self, name: str, log: Path, meanwhile: Callable[[], None]) -> Result:
        """Runs one test, and calls `meanwhile` while it does; raises only where a machine is gone."""
        report = self.cluster.directory / "e2e.xml"
        report.unlink(missing_ok=True)
        began, clock = time.time(), time.monotonic()
        deadline = Deadline.after(_SECONDS, scale=self.scale)
        with started(self.e2e_test, self.cluster, log, _selection(name, report, deadline)) as ended_with:
            code = self._end(ended_with, deadline, meanwhile)
        self.alive()
        ended = f"exit code {code}" if code is not None else f"no end within {deadline.seconds:.0f} s"
        outcome, message, begun = verdict(ended, report.read_bytes() if report.exists() else b"", _said(log), name)
        return Result(name=name, outcome=outcome, message=message, began=began, seconds=time.monotonic() - clock, begun=begun)

    def _end(self, code: Callable[[], int | None], deadline: Deadline, meanwhile: Callable[[], None]) -> int | None:
        """The exit code; None where the program has to be ended."""

        def look() -> int | None:
            self.alive()
            meanwhile()
            return -1 if (found := code()) is None and deadline.expired else found

        return None if (found := poll(look, deadline, what="the end of e2e.test", interval=0.1)) == -1 else found


@contextmanager
def started(e2e_test: Path, cluster: Cluster, log: Path, words: Sequence[str]) -> Iterator[Callable[[], int | None]]:
    """The program at work on a cluster that no cloud runs; gives what asks for its exit code. words: further arguments."""
    access = (f"--kubeconfig={cluster.kubeconfig}", f"--kubectl-path={cluster.kubectl}", "--provider=skeleton")
    with log.open("wb") as to, spawn([e2e_test, *access, *words], env=Kubectl(cluster).env, stdout=to, stderr=to) as process:
        yield process.poll


def _selection(name: str, report: Path, deadline: Deadline) -> list[str]:
    """Ginkgo matches its expression with the suite's name and the test's: what ends with this name is this test."""
    return [f"--ginkgo.focus={go_quoted(name)}$", *bounds(str(report), deadline), "--ginkgo.silence-skips"]


def go_quoted(text: str) -> str:
    """As QuoteMeta of Go's regexp has it: Go refuses a backslash before a letter or a space."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def _said(log: Path) -> str:
    return last_line(log.read_text(errors="replace"))


def verdict(ended: str, report: bytes, said: str, name: str) -> tuple[Outcome, str, bool]:
    """What became of a test, why, and whether it was begun at all.

    ended: how the program ended. report: Ginkgo's JUnit XML, empty where there is none. said: the last line of its output.
    """
    try:
        cases = list(ElementTree.fromstring(report).iter("testcase"))
    except ElementTree.ParseError:
        return Outcome.FAILED, f"{ended} and {'a report that is cut' if report else 'no report'}: {said}", False
    ran = [case for case in cases if is_test(case) and _has_run(case)]
    this = len(ran) == 1 and ran[0].get("name", "").startswith(f"{TEST}{name}")
    wrong = [f"{case.get('name')}: {message_of(case)}" for case in cases if not is_test(case) and case.get("status") not in GOOD]
    if wrong or not this:
        return Outcome.FAILED, "; ".join(wrong) or f"{len(ran)} tests ran, not this one: {ended}", this
    state = ran[0].get("status")
    if state == "passed" and ended == "exit code 0":
        return Outcome.PASSED, "passed", True
    return Outcome.FAILED, f"{state} {message_of(ran[0]) or ended}", True


def _has_run(case: ElementTree.Element) -> bool:
    """Ginkgo lists those that were not asked for too, as skipped; a test that skips itself says why."""
    return case.get("status") not in ("skipped", "pending") or _BY_ITSELF in message_of(case)
