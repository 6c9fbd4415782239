"""A report as one HTML page that needs nothing else: no script, no font, no file from elsewhere."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, Template

from builder.acceptance.model import Report
from builder.checks import Outcome
from builder.ecma48 import shown

CONSOLE_LINES = 400
"""How much of a console log the page shows; it is whole in the file beside."""

_TEMPLATE = Path(__file__).with_name("page.html")
_WIDTH, _ROW, _BAR = 900.0, 44, 12  # units of the picture's view box; a bar lies at the foot of its row
# What HTML forbids (control characters, halves of surrogates, U+FFFE and U+FFFF), and what turns the direction of a text around.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Bar:
    """A stage of the timeline: it took so many seconds and ended at `seconds`; the rest is its place in the picture."""

    stage: str
    seconds: float
    took: float
    x: float
    y: int
    width: float


@dataclass(frozen=True)
class Timeline:
    """The picture: a row for each stage, below them the ticks of an axis (its label, its place)."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[str, float], ...]

    width, row, bar = _WIDTH, _ROW, _BAR

    @property
    def foot(self) -> int:
        return len(self.bars) * _ROW

    @property
    def height(self) -> int:
        return self.foot + 30


@dataclass(frozen=True)
class Console:
    """The end of a node's console log. `file` is the address of the whole of it, relative to the page."""

    node: str
    file: str
    text: str
    shown: int
    lines: int


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )  # fmt: skip
    return environment.from_string(_TEMPLATE.read_text())


def page(report: Report, consoles: Mapping[str, str], screens: Mapping[str, bytes]) -> str:
    """The page. consoles: node -> its whole console log, which has to lie beside the page as `console_file(node)`;
    screens: node -> its last screen as PNG. Whatever the texts hold is shown and never taken for HTML.
    """
    return _template().render(
        report=report,
        verdict="PASSED" if report.passed else "FAILED",
        counts=[(outcome, sum(finding.outcome is outcome for finding in report.findings)) for outcome in Outcome],
        mark={Outcome.PASSED: "\u2713", Outcome.FAILED: "\u2717", Outcome.NOT_RUN: "\u2013"},
        bundle=Path(report.bundle).name,
        timeline=timeline(report.timeline),
        consoles=[console(node, log) for node, log in consoles.items()],
        screens={node: base64.b64encode(picture).decode() for node, picture in screens.items() if picture},
    )


def console_file(node: str) -> str:
    """The name of the file, beside the page, that the page links to for a node's whole console log."""
    return f"console-{node}.log"


def console(node: str, log: str) -> Console:
    """The last lines of a log, as a terminal would have shown them but for colours."""
    text = printable(log).rstrip("\n")
    lines = text.split("\n") if text else []
    kept = lines[-CONSOLE_LINES:]
    return Console(node, quote(console_file(node)), "\n".join(kept), len(kept), len(lines))


def printable(text: str) -> str:
    """Without escape sequences and without control characters but tabs and line feeds; a carriage return begins a line."""
    return _UNPRINTABLE.sub("", re.sub("\r+\n?", "\n", shown(text)))


def timeline(stages: Iterable[tuple[str, float]]) -> Timeline:
    """The picture of stages in their order, each with the seconds from the start to its end."""
    stages = list(stages)
    ends = [max(0.0, seconds) for _, seconds in stages]
    whole = max([*ends, 1e-3])
    bars = []
    for index, ((stage, _), end, before) in enumerate(zip(stages, ends, [0.0, *ends], strict=False)):
        begin = min(before, end)
        place = (round(_WIDTH * begin / whole, 1), (index + 1) * _ROW - _BAR, max(2.0, round(_WIDTH * (end - begin) / whole, 1)))
        bars.append(Bar(stage, end, end - begin, *place))
    return Timeline(tuple(bars), tuple((f"{tick:g} s", round(_WIDTH * tick / whole, 1)) for tick in ticks(whole)))


def ticks(whole: float) -> list[float]:
    """At most seven round numbers from 0 to `whole`: 1, 2 or 5 times a power of ten apart."""
    step = next(step for power in range(-4, 12) for digit in (1, 2, 5) if (step := digit * 10.0**power) * 6 >= whole)
    return [index * step for index in range(int(whole / step) + 1)]
