"""Deadlines and waiting."""

import time

import pytest

from builder.deadline import Deadline, poll
from builder.errors import CheckError


def test_a_deadline_counts_down_to_zero_and_no_further() -> None:
    deadline = Deadline.after(0.05)
    assert 0 < deadline.remaining <= 0.05
    assert not deadline.expired
    time.sleep(0.06)
    assert deadline.remaining == 0.0
    assert deadline.expired


def test_a_slow_machine_stretches_a_deadline() -> None:
    deadline = Deadline.after(30, scale=4)
    assert deadline.seconds == 120
    assert 119 < deadline.remaining <= 120


def test_poll_looks_until_it_sees_something() -> None:
    answers = iter([None, None, "seen"])
    assert poll(lambda: next(answers), Deadline.after(5), what="it", interval=0.001) == "seen"


@pytest.mark.parametrize("value", [0, "", False])
def test_anything_but_none_is_seen(value: object) -> None:
    assert poll(lambda: value, Deadline.after(5), what="it") is value


def test_poll_names_what_it_waited_for() -> None:
    looks = []
    with pytest.raises(CheckError, match=r"the API: nothing seen within 0 s"):
        poll(lambda: looks.append(1), Deadline.after(0.1), what="the API", interval=0.02)
    assert len(looks) >= 2


def test_a_look_that_began_in_time_counts_however_long_it_took() -> None:
    def slow() -> str:
        time.sleep(0.1)
        return "late but seen"

    assert poll(slow, Deadline.after(0.02), what="it") == "late but seen"


def test_poll_looks_once_more_at_the_deadline() -> None:
    """What became true during the last pause is not missed."""
    deadline = Deadline.after(0.1)
    assert poll(lambda: "seen" if deadline.expired else None, deadline, what="it", interval=10) == "seen"


def test_poll_looks_once_even_when_there_is_no_time() -> None:
    assert poll(lambda: "seen", Deadline.after(0), what="it") == "seen"
