"""What became of each test outlives the run, whatever ends it."""

from pathlib import Path

import pytest

from builder.acceptance.ledger import Ledger, Result
from builder.checks import Outcome
from builder.errors import InputError

BUILD = {"runtime": "r", "medium of the masters": "sha256:1"}
NAMES = ("one", "two", "three")


def result(name: str, outcome: Outcome = Outcome.PASSED, *, began: float = 100.0, begun: bool = True) -> Result:
    return Result(name=name, outcome=outcome, message=f"{name} says\nmore", began=began, seconds=2.0, begun=begun)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger.new(tmp_path / "tests.jsonl", BUILD, NAMES)
    made.add(result("one"))
    made.add(result("two", Outcome.FAILED))
    return made


def test_what_was_kept_is_read(ledger: Ledger) -> None:
    found = Ledger.read(ledger.path)
    assert (found.plan, found.results) == (ledger.plan, ledger.results)
    assert (found.left, found.done) == (("three",), 2)


def test_a_test_that_could_not_begin_is_left(ledger: Ledger) -> None:
    ledger.add(result("three", Outcome.FAILED, begun=False))
    assert Ledger.read(ledger.path).left == ("three",)
    ledger.add(result("three"))
    assert Ledger.read(ledger.path).left == ()


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_cut_is_as_if_its_test_had_not_run(ledger: Ledger, cut: int) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes()[:-cut])
    found = Ledger.read(ledger.path)
    assert found.left == (("three",) if cut == 1 else ("two", "three"))
    found.resume()
    found.add(result("three"))
    assert set(Ledger.read(ledger.path).results) == set(found.results)


def test_garbage_between_the_lines_costs_only_what_it_hit(ledger: Ledger) -> None:
    first, one, two = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(first + b"\0" * 40 + b"\n" + two + one[: len(one) // 2] + b"\n\xff\n")
    assert Ledger.read(ledger.path).left == ("one", "three")


def test_a_result_of_a_test_that_was_not_asked_for_is_none(ledger: Ledger) -> None:
    ledger.add(result("another"))
    assert "another" not in Ledger.read(ledger.path).results


@pytest.mark.parametrize("content", [None, b"", b"\n", b'{"format": 1, "build": {}, "na', b"\xff\xfe"])
def test_without_a_beginning_nothing_is_resumed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tests.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        Ledger.read(path)
    assert str(path) in raised.value.why and "--resume" in raised.value.hint


def test_results_of_another_build_are_not_gone_on_with(ledger: Ledger) -> None:
    ledger.refuse_other(BUILD)
    with pytest.raises(InputError) as raised:
        ledger.refuse_other({**BUILD, "runtime": "other", "e2e.test": "new"})
    assert raised.value.why == "since then there is another e2e.test, another runtime"


def test_every_test_is_a_finding(ledger: Ledger) -> None:
    one, two, three = ledger.findings(started=90.0)
    assert (one.id, one.name, one.outcome, one.began, one.seconds) == ("K001", "one", Outcome.PASSED, 10.0, 2.0)
    assert two.outcome is Outcome.FAILED and two.reason.startswith("two says")
    assert (three.outcome, three.reason) == (Outcome.NOT_RUN, "not reached")


def test_a_finding_tells_that_it_is_of_an_earlier_run(ledger: Ledger) -> None:
    assert "resumed" in ledger.findings(started=200.0)[0].reason
