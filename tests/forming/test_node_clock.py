"""What is said of a node's clock that is right, that is wrong, and of a node that does not tell it."""

import time
from collections.abc import Callable

import pytest

from builder.checks import NotYet
from builder.errors import CheckError
from builder.forming.clock import agrees, demand_clock, offset


def watch(ahead: float = 0.0, late: float = 0.0) -> Callable[[str], str]:
    """A node whose clock is that far ahead, and which answers late, both in seconds."""

    def ask(command: str) -> str:
        assert command == "date +%s"
        time.sleep(late / 2)
        told = f"{int(time.time() + ahead)}\n"
        time.sleep(late / 2)
        return told

    return ask


@pytest.mark.parametrize("late", [0.0, 0.6])
def test_a_clock_that_is_right_is_right_however_late_its_answer(late: float) -> None:
    assert offset(watch(late=late)) == 0
    assert "within 5 s" in agrees(watch(late=late))


@pytest.mark.parametrize(("ahead", "why"), [(60, r"(59|60) s ahead of"), (-60, r"(59|60) s behind"), (-2e8, "behind")])
def test_a_clock_that_is_wrong_keeps_kubeadm_away(ahead: float, why: str) -> None:
    with pytest.raises(NotYet, match=why):
        agrees(watch(ahead))
    with pytest.raises(CheckError, match="the clock of node-1 is wrong") as told:
        demand_clock("node-1", watch(ahead))
    assert "time servers" in told.value.hint


@pytest.mark.parametrize("says", ["", "date: not found\n", "12 13\n", "-5\n"])
def test_a_node_that_does_not_tell_its_time_is_not_right(says: str) -> None:
    with pytest.raises(NotYet, match="date says"):
        agrees(lambda _: says)
