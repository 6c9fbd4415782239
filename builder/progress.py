"""What the program tells while it works: steps with amounts, notes and warnings, to one sink chosen by the command line.

Rooms call `step`, `note` and `warn`; only `cli` chooses a sink.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO


@dataclass
class Step:
    """A piece of work under way. `total` is None while it is not known; `unit` is what the amounts count ("B", "files")."""

    title: str
    total: float | None = None
    unit: str = ""
    done: float = 0.0
    started: float = field(default_factory=time.monotonic)
    detail: str = ""

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        self.done += amount
        self.detail = detail or self.detail
        _sink.moved(self)

    def expect(self, total: float) -> None:
        """The whole amount, where it was not known at the beginning."""
        self.total = self.total or total

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


class Sink(Protocol):
    """Where the events go."""

    def began(self, step: Step) -> None: ...
    def moved(self, step: Step) -> None: ...
    def ended(self, step: Step, failed: bool) -> None: ...
    def note(self, level: str, text: str) -> None: ...


class Silent:
    """Says nothing: the default for a library and for tests."""

    def began(self, step: Step) -> None: ...
    def moved(self, step: Step) -> None: ...
    def ended(self, step: Step, failed: bool) -> None: ...
    def note(self, level: str, text: str) -> None: ...


class Lines:
    """Plain lines, for a log or where there is no terminal; a long step speaks again every `every` seconds."""

    def __init__(self, out: TextIO | None = None, every: float = 15.0, verbose: bool = False) -> None:
        self._out = out or sys.stderr
        self._every = every
        self._verbose = verbose
        self._spoken: dict[int, float] = {}
        self._lock = threading.Lock()

    def _say(self, text: str) -> None:
        with self._lock:
            print(text, file=self._out, flush=True)

    def began(self, step: Step) -> None:
        self._spoken[id(step)] = time.monotonic()
        self._say(f"- {step.title}")

    def moved(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._spoken.get(id(step), 0.0) >= self._every:
            self._spoken[id(step)] = now
            self._say(f"  {step.title}: {amount(step)} after {step.seconds:.0f} s")

    def ended(self, step: Step, failed: bool) -> None:
        self._spoken.pop(id(step), None)
        if failed or step.seconds >= 1.0:
            self._say(f"  {step.title}: {'failed' if failed else 'done'} after {step.seconds:.1f} s")

    def note(self, level: str, text: str) -> None:
        if level != "debug" or self._verbose:
            self._say(text if level == "info" else f"{level}: {text}")


class JsonLines:
    """One JSON object a line, for machines; a step's amounts at its end, and before at most every `every` seconds."""

    def __init__(self, out: TextIO | None = None, every: float = 1.0) -> None:
        self._out = out or sys.stderr
        self._every = every
        self._spoken: dict[int, float] = {}

    def _emit(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}), file=self._out, flush=True)

    def began(self, step: Step) -> None:
        self._spoken[id(step)] = time.monotonic()
        self._emit("begin", step=step.title)

    def moved(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._spoken.get(id(step), 0.0) >= self._every:
            self._spoken[id(step)] = now
            self._emit("amount", step=step.title, detail=step.detail, **_amounts(step))

    def ended(self, step: Step, failed: bool) -> None:
        self._spoken.pop(id(step), None)
        self._emit("end", step=step.title, failed=failed, seconds=round(step.seconds, 3), **_amounts(step))

    def note(self, level: str, text: str) -> None:
        self._emit("note", level=level, text=text)

    def error(self, code: int, what: str, why: str = "", hint: str = "", details: Sequence[str] = ()) -> None:
        """The last event of a run that failed; `code` is its exit code."""
        self._emit("error", code=code, what=what, details=list(details), why=why, next=hint)


def _amounts(step: Step) -> dict[str, object]:
    return {"done": step.done, "total": step.total, "unit": step.unit}


def amount(step: Step) -> str:
    """The amount done in words: "12.3 of 40.0 MB", "3 of 7 files", or the detail alone."""
    scale, unit = (1e6, "MB") if step.unit == "B" else (1.0, step.unit)
    digits = 1 if step.unit == "B" else 0
    words = f"{step.done / scale:.{digits}f}" if step.done or step.total or unit else ""
    if step.total:
        words += f" of {step.total / scale:.{digits}f}"
    return " ".join(part for part in (words, unit, step.detail) if part)


_sink: Sink = Silent()
_under_way: list[Step] = []


def sink() -> Sink:
    """Where the events go now."""
    return _sink


def use(sink: Sink) -> Sink:
    """Sends all that follows to `sink`; returns the one before."""
    global _sink
    before, _sink = _sink, sink
    return before


@contextmanager
def step(title: str, *, total: float | None = None, unit: str = "") -> Iterator[Step]:
    """A step of the work; it is told as failed when an exception leaves it."""
    work = Step(title, total, unit)
    _under_way.append(work)
    _sink.began(work)
    failed = True
    try:
        yield work
        failed = False
    finally:
        _under_way[:] = [other for other in _under_way if other is not work]
        _sink.ended(work, failed)


def still(what: str) -> None:
    """A sign of life from a wait that has no amounts: the newest step under way is told again with it, or it is a note."""
    if _under_way:
        _under_way[-1].advance(0, what)
    else:
        note(what)


def note(text: str) -> None:
    _sink.note("info", text)


def warn(text: str) -> None:
    _sink.note("warning", text)


def debug(text: str) -> None:
    _sink.note("debug", text)
