"""A run's results: written whatever comes, into a folder that is this run's alone."""

import errno
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_samples import a_cluster
from healthy_world import World

from builder.acceptance import bundle
from builder.acceptance import run as run_module
from builder.acceptance.ledger import Ledger, Result
from builder.acceptance.results import MARKER, results
from builder.acceptance.run import Run, Suite, run_suite
from builder.acceptance.suites import known
from builder.acceptance.upstream import Upstream
from builder.checks import Check, Outcome
from builder.cluster import lifecycle
from builder.cluster.model import Cluster
from builder.deadline import Deadline
from builder.errors import InputError
from builder.forming import form
from builder.machine.machine import Ending

BOOT = 'Booting `kubeiso\'\nKUBEISO {"stage":"init","state":"ok"}\n'


class FakeMachine:
    """A machine whose console log is a file; it runs until it is stopped."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.console_log = directory / "console.log"
        self.console_log.write_text(BOOT)
        self.name = directory.name
        self.stopped: list[float] = []

    @property
    def spec(self) -> "FakeMachine":
        return self

    def qmp(self, timeout: float = 0) -> "FakeMachine":  # noqa: ARG002 - as Machine has it
        return self

    def __enter__(self) -> "FakeMachine":
        return self

    def __exit__(self, *_: object) -> None: ...

    def status(self) -> str:
        return "running"

    def obituary(self) -> None: ...

    def shell(self) -> "FakeMachine":
        return self

    def run(self, command: str, _: Deadline) -> SimpleNamespace:
        assert command == "date +%s"
        return SimpleNamespace(code=0, output=f"{time.time():.0f}\n")

    def screendump(self, _: Path) -> None: ...

    def alive(self) -> bool:
        return False

    def diagnose(self) -> dict[str, str]:
        return {"state.txt": "fake"}

    def stop(self, grace: float) -> Ending:
        self.stopped.append(grace)
        return Ending(how="powerdown" if grace else "quit")


Machines = dict[str, FakeMachine]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return a_cluster(1, 1, directory=tmp_path / "c")


@pytest.fixture
def machines(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = {node.name: FakeMachine(node.directory) for node in cluster.nodes}
    monkeypatch.setattr(lifecycle, "start", lambda *_, **__: made)
    monkeypatch.setattr(lifecycle, "wait_ready", lambda *_: 2.0)
    monkeypatch.setattr(form, "init", lambda *_: "")
    monkeypatch.setattr(form, "join", lambda *_: None)
    monkeypatch.setattr(run_module, "Kubectl", World)
    return made


def a_suite(look: Callable[[], str]) -> Suite:
    return Suite("toy", "", lambda _: [Check("X1", "toy", look, once=True)])


def outcomes(folder: Path) -> dict[str, str]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return {finding["id"]: finding["outcome"] for finding in found["findings"]}


def test_all_well(cluster: Cluster, machines: Machines, tmp_path: Path) -> None:
    found = run_suite(cluster, a_suite(lambda: "seen"), tmp_path / "out")
    assert found.passed, [finding for finding in found.findings if finding.outcome is not Outcome.PASSED]
    assert [machine.stopped for machine in machines.values()] == [[120.0, 0], [120.0, 0]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "console-c-master-1.log", "console-c-worker-1.log", "junit.xml", "report.html", "report.json", "report.txt",
    ]  # fmt: skip


def broken() -> str:
    empty: dict[str, str] = {}
    return empty["rabbits"]


def interrupted() -> str:
    raise KeyboardInterrupt


def test_a_surprise_leaves_a_report_and_diagnostics(cluster: Cluster, machines: Machines, tmp_path: Path) -> None:
    found = run_suite(cluster, a_suite(broken), tmp_path / "out")
    assert not found.passed and outcomes(tmp_path / "out")["X1"] == "failed"
    assert "KeyError: 'rabbits'" in (tmp_path / "out" / "report.txt").read_text()
    with tarfile.open(tmp_path / "out" / "diagnostics.tar.gz") as bundle:
        assert "c-master-1/state.txt" in bundle.getnames()
    assert all(machine.stopped == [0] for machine in machines.values())


def test_a_disk_that_is_full_by_then_leaves_the_report(
    cluster: Cluster, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bundle, "collect", full)
    monkeypatch.setattr(FakeMachine, "screendump", full)
    found = run_suite(cluster, a_suite(broken), tmp_path / "out")
    assert not found.passed and found.bundle == "" and outcomes(tmp_path / "out")["X1"] == "failed"
    assert all(machine.stopped == [0] for machine in machines.values())


def test_an_interrupted_run_leaves_what_it_found(cluster: Cluster, machines: Machines, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_suite(cluster, a_suite(interrupted), tmp_path / "out")
    found = outcomes(tmp_path / "out")
    assert found["A1"] == "passed" and found["X1"] == "failed" and "A19" not in found
    assert (tmp_path / "out" / "report.html").exists() and (tmp_path / "out" / "diagnostics.tar.gz").exists()
    assert all(machine.stopped == [0] for machine in machines.values())


def test_each_conformance_test_is_a_line_of_the_report(
    cluster: Cluster, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a run that was interrupted among them; those that were not reached are no success."""
    ledger = Ledger.new(tmp_path / "tests.jsonl", {}, ("one", "two"))

    def first(upstream: Upstream) -> str:
        assert upstream.ledger is ledger
        ledger.add(Result(name="one", outcome=Outcome.PASSED, message="passed", began=0.0, seconds=1.0))
        raise KeyboardInterrupt

    monkeypatch.setattr(Upstream, "open_nodes", lambda _: "all")
    monkeypatch.setattr(Upstream, "run_left", first)
    with pytest.raises(KeyboardInterrupt):
        run_suite(cluster, known()["conformance"], tmp_path / "out", tmp_path / "e2e.test", ledger)
    found = outcomes(tmp_path / "out")
    assert (found["C2"], found["K001"], found["K002"]) == ("failed", "passed", "not run")
    assert 'errors="1"' in (tmp_path / "out" / "junit.xml").read_text()
    assert all(machine.stopped == [0] for machine in machines.values())


PANIC = "Kernel panic - not syncing: Attempted to kill init\n"


@pytest.mark.parametrize(("when", "check"), [("before", "A3"), ("after", "A3e")])
def test_a_panic_on_a_console_is_seen(cluster: Cluster, machines: Machines, tmp_path: Path, when: str, check: str) -> None:
    """Though the stage that was waited for was told before it."""
    (log,) = [machine.console_log for name, machine in machines.items() if "worker" in name]

    def panicking() -> str:
        log.write_text(BOOT + PANIC)
        return "seen"

    if when == "before":
        panicking()
    found = run_suite(cluster, a_suite(panicking), tmp_path / "out")
    failed = [(finding.id, finding.reason) for finding in found.findings if finding.outcome is Outcome.FAILED]
    assert failed == [(check, f"c-worker-1: the console shows: {PANIC.strip()}")]


START = "=== kubeiso: start 2 of c-worker-1 at 2026-01-01T00:00:00Z ===\n"


@pytest.mark.parametrize(
    ("later", "fault"),
    [
        (PANIC + BOOT, f"the console shows: {PANIC.strip()}"),
        (PANIC + START + BOOT, f"the console shows: {PANIC.strip()}"),
        (BOOT, "it started anew, by itself"),
        (START + BOOT, ""),
        ("0123456789abcdef begin\n" + PANIC + "0123456789abcdef end 0\n", ""),
        ("0123456789abcdef begin\n" + PANIC + BOOT, f"the console shows: {PANIC.strip()}"),
    ],
)
def test_a_node_that_came_back_by_itself_is_no_healthy_one(
    cluster: Cluster, machines: Machines, tmp_path: Path, later: str, fault: str
) -> None:
    """panic=10 of its command line starts it anew, and what is looked at later may be well again."""
    (log,) = [machine.console_log for name, machine in machines.items() if "worker" in name]

    def meanwhile() -> str:
        with log.open("a") as file:
            file.write(later)
        return "seen"

    found = run_suite(cluster, a_suite(meanwhile), tmp_path / "out")
    failed = [(finding.id, finding.reason) for finding in found.findings if finding.outcome is Outcome.FAILED]
    assert failed == ([("A3e", f"c-worker-1: {fault}")] if fault else [])


def failures(cluster: Cluster, out: Path) -> list[tuple[str, str]]:
    found = run_suite(cluster, a_suite(lambda: "seen"), out)
    return [(finding.id, finding.reason) for finding in found.findings if finding.outcome is Outcome.FAILED]


def test_a_machine_that_stands_still_does_not_run(
    cluster: Cluster, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machines
    monkeypatch.setattr(FakeMachine, "status", lambda _: "paused")
    assert failures(cluster, tmp_path / "out") == [("A1", "c-master-1 is paused")]


@pytest.mark.parametrize("log", ['KUBEISO {"stage":"init","state":"ok"}\n', "Booting `kubeiso'\n", ""])
def test_a_console_that_lost_its_beginning_is_seen(cluster: Cluster, machines: Machines, tmp_path: Path, log: str) -> None:
    machines["c-worker-1"].console_log.write_text(log)
    ((check, reason),) = failures(cluster, tmp_path / "out")
    assert check == "A1b" and "has no words of the boot loader before the node's" in reason


def test_a_machine_that_had_to_be_killed_did_not_power_off(
    cluster: Cluster, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machines
    monkeypatch.setattr(FakeMachine, "stop", lambda *_, **__: Ending(how="SIGKILL"))
    assert failures(cluster, tmp_path / "out") == [("A19", "ended by SIGKILL, SIGKILL")]


@pytest.mark.parametrize("check", ["A1b", "A3", "A3e", "A19"])
def test_no_machine_is_no_proof(cluster: Cluster, machines: Machines, tmp_path: Path, check: str) -> None:
    run = Run(cluster, a_suite(lambda: "seen"), tmp_path / "out")
    run.machines = dict(list(machines.items())[:1])  # type: ignore[arg-type]
    looks: dict[str, Callable[[], str]] = {
        "A1b": run._console,
        "A3": run._clean_boot,
        "A3e": run._clean_since,
        "A19": run._power_off,
    }
    with pytest.raises(Exception, match="not running: c-worker-1"):
        looks[check]()


def test_every_suite_is_a_file_of_its_own() -> None:
    folder = Path(run_module.__file__).parent / "suites"
    assert set(known()) == {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert all(suite.summary for suite in known().values())


# The folder of results


def test_results_replace_those_of_the_run_before_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with results(folder):
        (folder / "report.txt").write_text("old")
        (folder / "screens").mkdir()
    with results(folder):
        assert [path.name for path in folder.iterdir()] == [MARKER]
    thesis = tmp_path / "mine" / "thesis.odt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(InputError, match="is not kubeiso's"), results(thesis.parent):
        raise AssertionError("not reached")
    assert thesis.read_text() == "years of work"


def test_results_of_an_older_kubeiso_are_known(tmp_path: Path) -> None:
    for name in ("report.txt", "junit.xml", "report.json"):
        (tmp_path / name).write_text("old")
    with results(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with results(folder):
        (folder / "report.txt").write_text("the first one's")
        with pytest.raises(InputError, match="another kubeiso test writes its results"), results(folder):
            raise AssertionError("not reached")
        assert (folder / "report.txt").read_text() == "the first one's"
