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


def test_a_fault_of_the_program_is_not_a_failed_check() -> None:
    def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine().run([Check("1", "one", broken)])
