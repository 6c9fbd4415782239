"""What suites of Ginkgo must have said to count as passed."""

import pytest
from others_tests import full, junit

from builder.acceptance.ginkgo import named, part_of, passed, verdict
from builder.checks import NotYet

WANTED = ("Pods should start", "Services should answer")
SETUP = ("[SynchronizedBeforeSuite]", "passed")


PASSED = [(full(name), "passed") for name in WANTED]
LEFT_OUT = (full("Nodes should fly"), "skipped")


def judged(code: int, report: bytes, log: str = "") -> str:
    return verdict(passed(code, report, log), WANTED, part_of)


def refused(code: int, report: bytes, log: str = "") -> str:
    with pytest.raises(NotYet) as raised:
        judged(code, report, log)
    return str(raised.value)


def test_all_that_was_asked_for_passed() -> None:
    assert judged(0, junit(SETUP, *PASSED, LEFT_OUT)) == "2 of 2 passed"


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


def test_what_did_not_run_and_what_ran_besides_is_named() -> None:
    told = refused(0, junit(PASSED[0], (full("Nodes should fly"), "passed")))
    assert "not run: Services should answer" in told and "run besides: [sig-x] Nodes should fly [Conformance]" in told


def test_a_name_that_begins_another_is_told_apart() -> None:
    names = ["stats", "stats of three"]
    assert verdict(names, names, str.__eq__) == "2 of 2 passed"
    with pytest.raises(NotYet, match="one ran twice"):
        verdict(["stats", "stats"], names[:1] * 2, str.__eq__)


def test_a_list_of_tests_is_whole_or_none() -> None:
    report = junit(SETUP, *PASSED)
    assert named(report) == ["[sig-x] Pods should start [Conformance]", "[sig-x] Services should answer [Conformance]"]
    for torn in (b"", report[:-20]):
        with pytest.raises(NotYet):
            named(torn)
