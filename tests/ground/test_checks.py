"""The engine of checks: a verdict is positive only when everything was seen."""

import pytest

from builder.checks import Check, Engine, NotYet, Outcome
from builder.errors import CheckError


def engine(scale: float = 0.01) -> Engine:
    return Engine(scale, lambda: None, interval=0.01)


def never() -> str:
    raise NotYet("0 of 1 ready")


def test_all_passed() -> None:
    run = engine()
    assert run.run([Check("1", "one", lambda: "seen"), Check("2", "two", lambda: "seen too")])
    assert [(f.outcome, f.reason) for f in run.findings] == [(Outcome.PASSED, "seen"), (Outcome.PASSED, "seen too")]


def test_a_check_that_never_passes_fails_with_its_last_reason_and_stops_the_rest() -> None:
    run = engine()
    assert not run.run([Check("1", "one", never, seconds=5), Check("2", "two", lambda: "seen")])
    assert run.findings[0].outcome is Outcome.FAILED
    assert "0 of 1 ready" in run.findings[0].reason
    assert run.findings[1].outcome is Outcome.NOT_RUN


def test_a_later_list_is_not_run_after_a_failure() -> None:
    run = engine()
    run.run([Check("1", "one", never, once=True)])
    assert not run.run([Check("2", "two", lambda: "seen")])
    assert run.findings[1].outcome is Outcome.NOT_RUN


def test_a_check_is_looked_at_until_it_passes() -> None:
    looks: list[int] = []

    def third() -> str:
        looks.append(1)
        if len(looks) < 3:
            raise NotYet("soon")
        return "there"

    assert engine(1.0).run([Check("1", "one", third, seconds=10)])
    assert len(looks) == 3


def test_a_check_that_must_hold_at_once_is_looked_at_once() -> None:
    looks: list[int] = []

    def look() -> str:
        looks.append(1)
        raise NotYet("no")

    assert not engine().run([Check("1", "one", look, seconds=100, once=True)])
    assert len(looks) == 1


def test_a_machine_that_is_gone_ends_the_wait_at_once() -> None:
    def gone() -> None:
        raise CheckError("QEMU has ended")

    run = Engine(1000.0, gone, interval=0.01)
    assert not run.run([Check("1", "one", never, seconds=1000)])
    assert "QEMU has ended" in run.findings[0].reason


def test_a_surprise_is_a_failed_check_that_says_where_it_came_from() -> None:
    """So that the report and the diagnostics of the run are written all the same."""

    def broken() -> str:
        raise ZeroDivisionError("of rabbits")

    run = engine()
    assert not run.run([Check("1", "one", broken, seconds=1000), Check("2", "two", lambda: "seen")])
    assert [finding.outcome for finding in run.findings] == [Outcome.FAILED, Outcome.NOT_RUN]
    first, *trace = run.findings[0].reason.splitlines()
    assert first == "kubeiso itself failed: ZeroDivisionError: of rabbits" and "in broken" in "".join(trace)


def test_an_interrupted_check_is_kept_as_such() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    run = engine()
    with pytest.raises(KeyboardInterrupt):
        run.run([Check("1", "one", lambda: "seen"), Check("2", "two", interrupted), Check("3", "three", lambda: "seen")])
    assert [(finding.outcome, finding.reason) for finding in run.findings] == [
        (Outcome.PASSED, "seen"), (Outcome.FAILED, "interrupted"),
    ]  # fmt: skip
    assert run.failed
