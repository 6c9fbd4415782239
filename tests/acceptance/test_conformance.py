"""What others' test programs must have said to count as passed; small scripts stand in their place."""

import subprocess
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from cluster_samples import a_cluster

from builder.acceptance.conformance import CRITEST, E2E, Conformance, verdict
from builder.checks import NotYet
from builder.console.model import Result
from builder.deadline import Deadline
from builder.errors import CheckError

WANTED = ("Pods should start", "Services should answer")
SETUP = ("[SynchronizedBeforeSuite]", "passed")


def junit(*cases: tuple[str, str], message: str = "") -> bytes:
    """A report as Ginkgo writes it: name and state of each test, those that were not asked for included."""
    failure = f"<failure message={quoteattr(message)}/>" if message else ""
    rows = "".join(f"<testcase name={quoteattr(name)} status={quoteattr(state)}>{failure}</testcase>" for name, state in cases)
    return f"<testsuites><testsuite>{rows}</testsuite></testsuites>".encode()


def full(name: str) -> str:
    return f"[It] [sig-x] {name} [Conformance]"


PASSED = [(full(name), "passed") for name in WANTED]
LEFT_OUT = (full("Nodes should fly"), "skipped")


def refused(code: int, report: bytes, log: str = "") -> str:
    with pytest.raises(NotYet) as raised:
        verdict(code, report, log, WANTED)
    return str(raised.value)


def test_all_that_was_asked_for_passed() -> None:
    assert verdict(0, junit(SETUP, *PASSED, LEFT_OUT), "", WANTED) == "2 of 2 passed"


@pytest.mark.parametrize(
    "cases",
    [[], [LEFT_OUT], PASSED[:1], [*PASSED, (full("Nodes should fly"), "passed")], [*PASSED, PASSED[0]], [PASSED[0], PASSED[0]]],
    ids=["none", "none but skipped", "one of two", "one too many", "one twice", "one instead of another"],
)
def test_neither_fewer_nor_more_may_run(cases: list[tuple[str, str]]) -> None:
    assert "not the 2 that were asked for" in refused(0, junit(SETUP, *cases))


def test_a_failed_test_is_named_with_its_reason() -> None:
    said = refused(1, junit(PASSED[0], (full(WANTED[1]), "failed"), message="no endpoint\n  of it"))
    assert "Services should answer" in said and "failed no endpoint of it" in said and "Pods should start" not in said


@pytest.mark.parametrize("state", ["timedout", "panicked", "interrupted", "aborted", "invalid", ""])
def test_any_other_state_is_no_success(state: str) -> None:
    assert full(WANTED[1]) in refused(0, junit(PASSED[0], (full(WANTED[1]), state)))


def test_a_failure_outside_of_the_tests_counts() -> None:
    assert "BeforeSuite" in refused(0, junit(("[SynchronizedBeforeSuite]", "failed"), *PASSED))


def test_the_exit_code_counts_although_all_passed() -> None:
    assert refused(1, junit(*PASSED), "all good\nnot quite\n") == "exit code 1: not quite"


def test_no_report_is_no_success() -> None:
    assert refused(0, b"", "usage: e2e.test\n") == "exit code 0 and no report: usage: e2e.test"


@pytest.mark.parametrize("names", [E2E, CRITEST])
def test_no_name_selects_another_s_test(names: Sequence[str]) -> None:
    """They are joined to one regular expression, and each must be in one test's name only."""
    assert not any(character in name for name in names for character in r"\.+*?()[]{}|^$")
    assert not any(one in other or other in one for one, other in combinations(names, 2))


def program(folder: Path, report: bytes, code: int = 0) -> Path:
    """Writes the report where Ginkgo's argument says, tells its arguments, and ends."""
    (folder / "given.xml").write_bytes(report)
    made = folder / "program"
    made.write_text(
        "#!/bin/sh\n"
        f'for word; do echo "$word"; case $word in --ginkgo.junit-report=*) cp {folder}/given.xml "${{word#*=}}";; esac; done\n'
        f"exit {code}\n"
    )
    made.chmod(0o755)
    return made


def conformance(folder: Path, report: bytes, code: int = 0, *, alive: Callable[[], None] = lambda: None) -> Conformance:
    return Conformance(a_cluster(directory=folder), program(folder, report, code), folder, 1.0, alive)


def test_e2e_is_told_where_the_cluster_is_and_its_log_is_kept(tmp_path: Path) -> None:
    assert conformance(tmp_path, junit(*((full(name), "passed") for name in E2E))).e2e() == "3 of 3 passed"
    told = (tmp_path / "e2e.log").read_text().splitlines()
    assert {f"--kubeconfig={tmp_path}/kubeconfig", f"--kubectl-path={tmp_path}/kubectl"} <= set(told)
    assert f"--ginkgo.focus={'|'.join(E2E)}" in told and "--ginkgo.timeout=270s" in told


def test_a_report_of_an_earlier_run_is_none(tmp_path: Path) -> None:
    (tmp_path / "e2e.xml").write_bytes(junit(*((full(name), "passed") for name in E2E)))
    with pytest.raises(NotYet, match="exit code 3 and no report: gone"):
        made = tmp_path / "program"
        made.write_text("#!/bin/sh\necho gone\nexit 3\n")
        made.chmod(0o755)
        Conformance(a_cluster(directory=tmp_path), made, tmp_path, 1.0, lambda: None).e2e()


def test_a_machine_that_is_gone_ends_e2e_at_once(tmp_path: Path) -> None:
    def gone() -> None:
        raise CheckError("QEMU has ended")

    with pytest.raises(CheckError, match="QEMU has ended"):
        conformance(tmp_path, b"", alive=gone).e2e()


class Here:
    """This machine in a node's place; critest is the script `program`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Result:
        assert not deadline.expired and on_output is None
        moved = command.replace("/tmp/", f"{self.folder}/").replace("critest --", f"{self.folder}/program --")
        done = subprocess.run(["sh", "-c", moved], capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout + done.stderr)

    def read_file(self, path: str, deadline: Deadline) -> bytes:
        assert not deadline.expired
        return (self.folder / Path(path).name).read_bytes()

    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None:
        assert not deadline.expired and mode == 0o600
        (self.folder / Path(path).name).write_bytes(data)


def test_critest_runs_on_the_node_against_the_runtime_s_socket(tmp_path: Path) -> None:
    made = conformance(tmp_path, junit(*((full(name), "passed") for name in CRITEST)))
    (check,) = made.runtime_checks(lambda: Here(tmp_path))
    assert check.look() == f"{len(CRITEST)} of {len(CRITEST)} passed"
    assert "--runtime-endpoint=unix:///s" in (tmp_path / "critest.log").read_text().splitlines()
    assert "docker.io/kubeiso/client:1" in (tmp_path / "critest.yml").read_text()


def test_critest_that_writes_no_report_has_not_passed(tmp_path: Path) -> None:
    (tmp_path / "critest.xml").write_text("an earlier run's")
    made = conformance(tmp_path, b"", code=127)
    with pytest.raises(NotYet, match="exit code 127 and no report"):
        made.critest(Here(tmp_path))


def test_there_is_no_pod_network_before_the_cluster_where_that_makes_it(tmp_path: Path) -> None:
    made = Conformance(a_cluster(directory=tmp_path, host_ranges=False), tmp_path, tmp_path, 1.0, lambda: None)
    assert made.runtime_checks(lambda: Here(tmp_path)) == []
