"""How Kubernetes' conformance tests are run: e2e.test's place has a script that does what a file says for each test."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.sax.saxutils import quoteattr

import pytest
from cluster_samples import a_cluster

from builder import progress
from builder.acceptance import upstream
from builder.acceptance.ledger import Ledger
from builder.acceptance.upstream import Upstream, go_quoted, verdict
from builder.checks import NotYet, Outcome
from builder.cluster.kubectl import Kubectl
from builder.errors import CheckError

NAMES = tuple(f"[sig-x] Thing {number} should be [Slow] [Conformance]" for number in range(1, 6))
REPORTS = [("[ReportBeforeSuite]", "passed"), ("[SynchronizedBeforeSuite]", "passed")]
# What a script is told to do for a test: its words are shell.
SCRIPT = """#!/bin/sh
for word; do case $word in
--ginkgo.junit-report=*) report=${word#*=};;
--ginkgo.focus=*) focus=${word#*=};;
esac; done
number=$(echo "$focus" | sed 's/.*Thing \\([0-9]*\\).*/\\1/')
echo "$number" >>FOLDER/asked
printf '%s\\n' "$@" >FOLDER/words
report() { cp "FOLDER/$1.xml" "$report"; }
if [ -f "FOLDER/do-$number" ]; then . "FOLDER/do-$number"; fi
report "passed-$number"
"""


def it(name: str) -> str:
    return f"[It] {name} [sig-x, Conformance]"


def junit(*cases: tuple[str, str], message: str = "", tag: str = "failure") -> bytes:
    told = f"<{tag} message={quoteattr(message)}/>" if message else ""
    rows = "".join(f"<testcase name={quoteattr(name)} status={quoteattr(state)}>{told}</testcase>" for name, state in cases)
    return f"<testsuites><testsuite>{rows}</testsuite></testsuites>".encode()


class Lab:
    """A cluster of nothing, and e2e.test as a script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "e2e.test"
        self.program.write_text(SCRIPT.replace("FOLDER", str(folder)))
        self.program.chmod(0o755)
        for number, name in enumerate(NAMES, 1):
            cases = [*REPORTS, *((it(other), "skipped") for other in NAMES if other != name)]
            (folder / f"passed-{number}.xml").write_bytes(junit(*cases, (it(name), "passed")))
            (folder / f"failed-{number}.xml").write_bytes(junit(*cases[:2], (it(name), "failed"), message="it did not"))
        (folder / "unbegun.xml").write_bytes(junit(("[SynchronizedBeforeSuite]", "failed"), message="no API server"))
        self.ledger = Ledger.new(folder / "tests.jsonl", {}, NAMES)

    def does(self, number: int, words: str) -> None:
        (self.folder / f"do-{number}").write_text(words + "\n")

    def asked(self) -> list[int]:
        asked = self.folder / "asked"
        return [int(line) for line in asked.read_text().split()] if asked.exists() else []

    def run(self, ledger: Ledger | None = None, alive: Callable[[], None] = lambda: None, scale: float = 1.0) -> str:
        cluster = a_cluster(directory=self.folder)
        made = Upstream(cluster, Kubectl(cluster), self.program, ledger or self.ledger, self.folder, scale, alive)
        return made.run_left()

    def outcomes(self) -> list[str]:
        return [finding.outcome.value for finding in Ledger.read(self.ledger.path).findings(0.0)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_each_runs_alone_and_all_passed(lab: Lab) -> None:
    assert lab.run() == "5 of 5 passed"
    assert lab.asked() == [1, 2, 3, 4, 5] and lab.outcomes() == ["passed"] * 5
    words = (lab.folder / "words").read_text().splitlines()
    assert "--ginkgo.focus=\\[sig-x\\] Thing 5 should be \\[Slow\\] \\[Conformance\\]$" in words
    assert f"--kubeconfig={lab.folder}/kubeconfig" in words and "--ginkgo.timeout=810s" in words
    assert sorted(path.name for path in (lab.folder / "tests").iterdir()) == [f"{number:03}.log" for number in range(1, 6)]


def test_a_failure_is_told_and_the_others_still_run(lab: Lab) -> None:
    lab.does(2, "report failed-2; exit 1")
    with pytest.raises(NotYet) as raised:
        lab.run()
    assert str(raised.value) == f"1 of 5 failed: {NAMES[1]}: failed it did not"
    assert lab.outcomes() == ["passed", "failed", "passed", "passed", "passed"]


def test_of_many_failures_a_few_are_named(lab: Lab) -> None:
    for number in range(1, 6):
        lab.does(number, f"report failed-{number}; exit 1")
    with pytest.raises(NotYet, match=r"^5 of 5 failed: .*Thing 3.*; \.\.\.$"):
        lab.run()


HARM = {
    "prints nothing and ends": ("exit 0", "exit code 0 and no report: "),
    "crashes": ("echo 'panic: nil map'; exit 2", "exit code 2 and no report: panic: nil map"),
    "is killed": ("kill -9 $$", "exit code -9 and no report: "),
    "leaves a cut report": ('echo "<testsuites><testcase" >"$report"; exit 1', "exit code 1 and a report that is cut: "),
    "ran none": ("report none; exit 0", "0 tests ran, not this one: exit code 0"),
    "ran another": ("report passed-4; exit 0", "1 tests ran, not this one: exit code 0"),
    "ran more": ("report more; exit 0", "2 tests ran, not this one: exit code 0"),
    "could not begin": ("report unbegun; exit 1", "[SynchronizedBeforeSuite]: no API server"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_e2e_test_may_do_instead(lab: Lab, harm: str) -> None:
    words, message = HARM[harm]
    (lab.folder / "none.xml").write_bytes(junit(*REPORTS, *((it(name), "skipped") for name in NAMES)))
    (lab.folder / "more.xml").write_bytes(junit((it(NAMES[2]), "passed"), (it(NAMES[3]), "passed")))
    lab.does(3, words)
    with pytest.raises(NotYet) as raised:
        lab.run()
    assert f"{NAMES[2]}: {message}" in str(raised.value)
    assert lab.outcomes() == ["passed", "passed", "failed", "passed", "passed"]
    assert Ledger.read(lab.ledger.path).left == (NAMES[2],), "it did not begin, so a resumed run tries it again"


def test_one_that_does_not_end_is_ended(lab: Lab) -> None:
    lab.does(1, f"echo $$ >{lab.folder}/pid; exec sleep 600")
    with pytest.raises(NotYet, match=r"1 of 5 failed: .*Thing 1 .*: no end within 1 s and no report"):
        lab.run(scale=1 / 900)
    with pytest.raises(ProcessLookupError):
        os.kill(int((lab.folder / "pid").read_text()), 0)


def test_three_in_a_row_that_can_not_begin_end_it(lab: Lab) -> None:
    for number in (2, 3, 4):
        lab.does(number, "report unbegun; exit 1")
    with pytest.raises(CheckError) as raised:
        lab.run()
    assert raised.value.what == "3 tests in a row could not begin: [SynchronizedBeforeSuite]: no API server"
    assert lab.asked() == [1, 2, 3, 4] and lab.outcomes()[-1] == "not run"


def test_a_machine_that_is_gone_is_no_result_of_the_test(lab: Lab) -> None:
    def alive() -> None:
        if lab.asked()[-1:] == [3]:
            raise CheckError("QEMU has ended")

    with pytest.raises(CheckError, match="QEMU has ended"):
        lab.run(alive=alive)
    assert lab.outcomes() == ["passed", "passed", "not run", "not run", "not run"]


def test_a_killed_run_goes_on_with_those_that_are_left(lab: Lab) -> None:
    lab.does(1, "report failed-1; exit 1")
    child = os.fork()
    if child == 0:
        lab.does(3, f"kill -9 {os.getpid()}; sleep 5")
        lab.run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert lab.outcomes() == ["failed", "passed", "not run", "not run", "not run"]
    (lab.folder / "do-3").unlink()
    (lab.folder / "asked").unlink()
    resumed = Ledger.read(lab.ledger.path)
    resumed.resume()
    with pytest.raises(NotYet, match="1 of 5 failed"):
        lab.run(resumed)
    assert lab.asked() == [3, 4, 5] and lab.outcomes() == ["failed", "passed", "passed", "passed", "passed"]


def test_progress_has_numbers_and_the_name_of_the_present_test(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    sink = SimpleNamespace(
        began=lambda work: told.append(f"{work.title} of {work.total}"), ended=lambda *_: None,
        moved=lambda work: told.append(f"{work.done:g}: {work.detail}"), note=lambda _level, text: told.append(text),
    )  # fmt: skip
    monkeypatch.setattr(progress, "_sink", cast(Any, sink))
    lab.does(2, "report failed-2; exit 1")
    with pytest.raises(NotYet):
        lab.run()
    assert told[0] == "Kubernetes' conformance tests of 5"
    assert f"2: 1 passed, 1 failed; 3 {NAMES[2]}" in told
    assert any(line.startswith("failed 2 of 5 (") and line.endswith(f") {NAMES[1]}: failed it did not") for line in told)


def test_a_test_that_skips_itself_has_not_passed() -> None:
    report = junit((it(NAMES[0]), "skipped"), message="skipped - needs two nodes", tag="skipped")
    assert verdict("exit code 0", report, "", NAMES[0]) == (Outcome.FAILED, "skipped skipped - needs two nodes", True)
    others = junit((it(NAMES[1]), "skipped"), message="skipped", tag="skipped")
    assert verdict("exit code 0", others, "", NAMES[0])[2] is False


@pytest.mark.parametrize("state", ["timedout", "panicked", "interrupted", "aborted", "invalid", ""])
def test_any_other_state_is_no_success(state: str) -> None:
    outcome, _, begun = verdict("exit code 0", junit(*REPORTS, (it(NAMES[0]), state)), "", NAMES[0])
    assert (outcome, begun) == (Outcome.FAILED, True)


def test_the_exit_code_counts_although_the_test_passed() -> None:
    assert verdict("exit code 1", junit((it(NAMES[0]), "passed")), "", NAMES[0]) == (Outcome.FAILED, "passed exit code 1", True)


def test_what_fails_after_the_test_fails_it() -> None:
    report = junit((it(NAMES[0]), "passed"), ("[ReportAfterSuite] Invariant Metrics", "failed"), message="a bad metric")
    told = "[ReportAfterSuite] Invariant Metrics: a bad metric"
    assert verdict("exit code 1", report, "", NAMES[0]) == (Outcome.FAILED, told, True)


def test_names_are_quoted_for_go_alone() -> None:
    assert go_quoted("[a] b (c's) 1.17 d+e/f-g: $x") == "\\[a\\] b \\(c's\\) 1\\.17 d\\+e/f-g: \\$x"


class Nodes:
    """Stands in kubectl's place: the nodes' taints."""

    def __init__(self, keys: list[str]) -> None:
        self.taints = [{"key": key, "effect": "NoSchedule"} for key in keys]
        self.said: list[tuple[str, ...]] = []
        self.stuck = False

    def get(self, *_: str) -> dict[str, Any]:
        return {"spec": {"taints": self.taints} if self.taints else {}}

    def text(self, *words: str) -> str:
        self.said.append(words)
        if not self.stuck:
            self.taints = []
        return ""


@pytest.mark.parametrize(
    ("workers", "taints", "said"),
    [
        (1, [upstream._TAINT], [("taint", "node", "c-master-1", "node-role.kubernetes.io/control-plane-")]),
        (1, [], []),
        (2, [upstream._TAINT], []),
    ],
)
def test_two_nodes_take_pods(lab: Lab, workers: int, taints: list[str], said: list[tuple[str, ...]]) -> None:
    nodes = Nodes(taints)
    cluster = a_cluster(1, workers, directory=lab.folder)
    made = Upstream(cluster, cast(Kubectl, nodes), lab.program, lab.ledger, lab.folder, 1.0, lambda: None)
    assert "2 " in made.open_nodes() and nodes.said == said


def test_a_master_that_keeps_its_taint_is_seen(lab: Lab) -> None:
    nodes = Nodes([upstream._TAINT])
    nodes.stuck = True
    made = Upstream(a_cluster(1, 1), cast(Kubectl, nodes), lab.program, lab.ledger, lab.folder, 1.0, lambda: None)
    with pytest.raises(NotYet, match="c-master-1 takes no pods yet"):
        made.open_nodes()
