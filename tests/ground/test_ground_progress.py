"""What the program tells while it works."""

import io
import json
from collections.abc import Iterator

import pytest

from builder import progress
from builder.progress import JsonLines, Lines, Sink, Step, amount


@pytest.fixture(autouse=True)
def sink_as_before() -> Iterator[None]:
    before = progress.use(progress.Silent())
    yield
    progress.use(before)


def heard(sink: Sink) -> None:
    """Some work, told to the sink."""
    progress.use(sink)
    with progress.step("fetching", total=4, unit="files") as work:
        work.advance(1)
        work.advance(3, "last.deb")
    progress.note("a note")
    progress.warn("a warning")
    with pytest.raises(ValueError), progress.step("packing"):
        raise ValueError


def test_lines_for_people() -> None:
    out = io.StringIO()
    heard(Lines(out, every=0))
    assert out.getvalue().splitlines() == [
        "- fetching",
        "  fetching: 1 of 4 files after 0 s",
        "  fetching: 4 of 4 files last.deb after 0 s",
        "a note",
        "warning: a warning",
        "- packing",
        "  packing: failed after 0.0 s",
    ]


def test_a_long_step_speaks_only_now_and_then() -> None:
    out = io.StringIO()
    heard(Lines(out, every=60))
    assert "of 4 files" not in out.getvalue()


def events(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_for_machines() -> None:
    out = io.StringIO()
    heard(JsonLines(out, every=0))
    told = events(out)
    assert [event["event"] for event in told] == ["begin", "amount", "amount", "end", "note", "note", "begin", "end"]
    assert told[2] == {"event": "amount", "step": "fetching", "done": 4, "total": 4, "unit": "files", "detail": "last.deb"}
    assert [event["failed"] for event in told if event["event"] == "end"] == [False, True]
    assert told[5] == {"event": "note", "level": "warning", "text": "a warning"}


def test_amounts_for_machines_come_now_and_then_and_at_the_end() -> None:
    """A download of 300 MB moves nearly 5000 times."""
    out = io.StringIO()
    progress.use(JsonLines(out, every=60))
    with progress.step("fetching", total=5000, unit="B") as work:
        for _ in range(5000):
            work.advance(1)
    begin, end = events(out)
    assert begin["event"] == "begin"
    assert (end["event"], end["done"], end["total"], end["unit"]) == ("end", 5000, 5000, "B")


def test_an_error_for_machines_has_its_parts() -> None:
    out = io.StringIO()
    JsonLines(out).error(2, "what", "why", "hint", ("one", "two"))
    assert events(out) == [{"event": "error", "code": 2, "what": "what", "details": ["one", "two"], "why": "why", "next": "hint"}]


def test_a_sign_of_life_is_the_newest_step_s_or_a_note() -> None:
    out = io.StringIO()
    progress.use(JsonLines(out, every=0))
    progress.still("waiting")
    with progress.step("outer"), progress.step("inner"):
        progress.still("waiting")
    told = [(event["event"], event.get("step"), event.get("detail") or event.get("text")) for event in events(out)]
    assert [event for event in told if event[0] in ("note", "amount")] == [
        ("note", None, "waiting"),
        ("amount", "inner", "waiting"),
    ]


def test_silence_is_the_default(capfd: pytest.CaptureFixture[str]) -> None:
    heard(progress.Silent())
    assert capfd.readouterr() == ("", "")


def test_use_gives_back_the_sink_before() -> None:
    first, second = Lines(io.StringIO()), Lines(io.StringIO())
    progress.use(first)
    assert progress.use(second) is first


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("x", total=40_000_000, unit="B", done=12_340_000), "12.3 of 40.0 MB"),
        (Step("x", total=7, unit="files", done=3), "3 of 7 files"),
        (Step("x", unit="files", done=3), "3 files"),
        (Step("x", total=2, done=1, detail="boot"), "1 of 2 boot"),
    ],
)
def test_amounts_in_words(step: Step, words: str) -> None:
    assert amount(step) == words
