"""The report's page: parsed as XML, as which it is written, and as HTML."""

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.acceptance.model import Report
from builder.acceptance.page import CONSOLE_LINES, console_file, page, printable, ticks, timeline
from builder.checks import Finding, Outcome

STAGES = (
    ("command", 1.5), ("API server", 20.0), ("Kubernetes SVC", 21.25), ("DNS SVC", 30.0), ("app running", 44.0),
    ("DNS answering", 48.5),
)  # fmt: skip
HTML = {"h": "http://www.w3.org/1999/xhtml", "s": "http://www.w3.org/2000/svg"}
NASTY = "<script>alert(1)</script> & \"quoted\" 'x' {{ 7 * 6 }} ]]> --> </pre></details>"


def report(*outcomes: Outcome, reason: str = "as it should be", stages: tuple[tuple[str, float], ...] = STAGES) -> Report:
    findings = tuple(
        Finding(id=f"A{number}", name=f"check {number}", outcome=outcome, reason=reason, began=number, seconds=1.25)
        for number, outcome in enumerate(outcomes)
    )
    return Report(
        suite="smoke", runtime="cri-containerd", kubernetes_version="1.36.3", acceleration="tcg", scale=8.0, findings=findings,
        timeline=stages,
    )  # fmt: skip


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def texts(root: ElementTree.Element, path: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in root.findall(path, HTML)]


def png() -> bytes:
    """A picture of one dark pixel (PNG, third edition, section 5)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


class Tags(HTMLParser):
    """What a browser would see: the tags with their attributes, and whether each is closed in its turn."""

    VOID = ("meta", "img", "line", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((Outcome.PASSED, Outcome.PASSED), "PASSED\n2 passed, 0 failed, 0 not run"),
        ((Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN), "FAILED\n1 passed, 1 failed, 1 not run"),
        ((Outcome.NOT_RUN,), "FAILED\n0 passed, 0 failed, 1 not run"),
        ((), "FAILED\n0 passed, 0 failed, 0 not run"),
    ],
)
def test_the_verdict_comes_first(outcomes: tuple[Outcome, ...], verdict: str) -> None:
    root = parsed(page(report(*outcomes), {}, {}))
    assert texts(root, ".//h:h1") == [verdict]
    assert texts(root, ".//h:title") == [f"{verdict[:6]}: kubeiso smoke, cri-containerd"]


def test_every_check_has_its_row() -> None:
    root = parsed(page(report(*Outcome), {}, {}))
    assert texts(root, ".//h:table[@id='checks']/h:tbody/h:tr/h:td") == [
        "A0", "check 0", "✓ passed", "1.2", "as it should be", "A1", "check 1", "✗ failed", "1.2", "as it should be",
        "A2", "check 2", "\u2013 not run", "1.2", "as it should be",
    ]  # fmt: skip
    assert [node.get("class") for node in root.findall(".//h:td[3]", HTML)] == [
        "outcome passed", "outcome failed", "outcome not-run",
    ]  # fmt: skip


def test_the_timeline_has_a_bar_for_each_stage_and_each_begins_where_the_one_before_ended() -> None:
    root = parsed(page(report(Outcome.PASSED), {}, {}))
    assert texts(root, ".//s:text[@class='stage']") == [stage for stage, _ in STAGES]
    assert texts(root, ".//s:text[@class='seconds']")[:3] == ["1.5 s (+1.5)", "20.0 s (+18.5)", "21.2 s (+1.2)"]
    bars = [(float(bar.get("x", "")), float(bar.get("width", ""))) for bar in root.findall(".//s:rect", HTML)]
    assert all(x + width == pytest.approx(following, abs=0.2) for (x, width), (following, _) in pairwise(bars))
    assert bars[0][0] == 0 and sum(bars[-1]) == pytest.approx(900, abs=0.2)
    assert texts(root, ".//s:text[@class='tick']") == ["0 s", "10 s", "20 s", "30 s", "40 s"]


@settings(max_examples=100, deadline=None)
@given(stages=st.lists(st.tuples(st.text(max_size=200), st.floats(-10, 1e6)), max_size=8).map(tuple))
def test_any_timeline_can_be_drawn(stages: tuple[tuple[str, float], ...]) -> None:
    root = parsed(page(report(Outcome.PASSED, stages=stages), {}, {}))
    assert len(root.findall(".//s:text[@class='stage']", HTML)) == len(stages)
    made = timeline(stages)
    assert all(bar.x >= 0 and bar.width >= 2 and bar.x + bar.width <= made.width + 2.1 for bar in made.bars)
    assert 1 <= len(made.ticks) <= 7


@pytest.mark.parametrize(
    ("whole", "found"), [(0.001, 6), (1, 6), (6, 7), (48.5, 5), (61, 4), (3600, 4), (1e6, 6)]
)  # fmt: skip
def test_ticks_are_few_and_round(whole: float, found: int) -> None:
    made = ticks(whole)
    assert made[0] == 0 and made[-1] <= whole * 1.000001
    assert len(made) == found


def test_what_was_not_there_leaves_no_empty_section() -> None:
    root = parsed(page(report(stages=()), {}, {}))
    assert texts(root, ".//h:h2") == ["Checks", "Timeline"]
    assert texts(root, ".//h:p") == ["No check was run, so nothing has passed.", "No stage was reached."]
    assert "diagnostics" not in "".join(root.itertext())


def test_diagnostics_and_the_whole_log_are_links_to_what_lies_beside() -> None:
    made = report(Outcome.FAILED).model_copy(update={"bundle": "/some/where/diagnostics of it.tar.gz"})
    root = parsed(page(made, {"master-1": "one line\n", "odd ?#/name": ""}, {}))
    links = [(node.text, node.get("href")) for node in root.findall(".//h:a", HTML)]
    assert links == [
        ("diagnostics of it.tar.gz", "diagnostics%20of%20it.tar.gz"),
        ("the whole log", "console-master-1.log"),
        ("the whole log", "console-odd%20%3F%23/name.log"),
    ]
    assert console_file("master-1") == "console-master-1.log"


def test_a_long_console_log_is_cut_to_its_end_and_says_so() -> None:
    long = "".join(f"line {number}\r\n" for number in range(CONSOLE_LINES + 50))
    root = parsed(page(report(), {"master-1": long, "worker-1": "alone"}, {}))
    first, second = texts(root, ".//h:pre")
    assert first.splitlines() == [f"line {number}" for number in range(50, CONSOLE_LINES + 50)]
    assert second == "alone"
    assert texts(root, ".//h:summary") == [
        f"master-1 (the last {CONSOLE_LINES} of {CONSOLE_LINES + 50} lines)", "worker-1 (all 1 of 1 lines)",
    ]  # fmt: skip
    assert all(node.get("open") is None for node in root.findall(".//h:details", HTML))


def test_screens_are_inside_the_page() -> None:
    root = parsed(page(report(), {}, {"master-1": png(), "worker-1": b""}))
    (image,) = root.findall(".//h:img", HTML)
    kind, _, data = image.get("src", "").partition(",")
    assert (kind, base64.b64decode(data)) == ("data:image/png;base64", png())
    assert image.get("alt") == "the last screen of master-1"


def test_no_text_is_taken_for_html() -> None:
    made = report(Outcome.FAILED, reason=NASTY, stages=((NASTY, 3.0),))
    made = made.model_copy(update={"suite": NASTY, "runtime": NASTY, "acceleration": NASTY, "bundle": NASTY})
    text = page(made, {NASTY: NASTY}, {NASTY: png()})
    tags = Tags(text)
    assert not {"script", "iframe", "link", "object"} & {tag for tag, _ in tags.seen}
    assert not any(name.startswith("on") for _, attributes in tags.seen for name in attributes)
    root = parsed(text)
    for place in (".//h:pre", ".//h:td[@class='reason']", ".//s:text[@class='stage']"):
        assert texts(root, place) == [NASTY]


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    tags = Tags(page(report(*Outcome), {"a": "x"}, {"a": png()}))
    policy = next(each["content"] or "" for tag, each in tags.seen if tag == "meta" and "http-equiv" in each)
    assert "default-src 'none'" in policy
    sources = [value or "" for tag, each in tags.seen for name, value in each.items() if name in ("src", "href")]
    assert [each for each in sources if not re.match(r"data:image/png;base64,|console-", each)] == []


@settings(max_examples=200, deadline=None)
@given(log=st.text(st.characters(exclude_categories=()), max_size=100))
def test_any_console_makes_a_page_that_can_be_written(log: str) -> None:
    root = parsed(page(report(Outcome.FAILED, reason=log), {"a": log}, {}).encode().decode())
    assert len(root.findall(".//h:pre", HTML)) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain", "red and plain"), ("\x1b[?25l\x1b[2J\x1b(B\x1b=x", "x"),
        ("a\r\r\nb\tc\r\nd", "a\nb\tc\nd"), ("10%\r20%\r", "10%\n20%\n"),
        ("bell\x07 \x00\x9b\x7f", "bell "), ("\udcff\ufffe!", "!"), ("a\u202eb\u2066c", "abc"),
        ("cut off \x1b[1", "cut off 1"), ("\x1b]0;no end\nnext", "0;no end\nnext"), ("grüße ✓ \U0001f600", "grüße ✓ \U0001f600"),
    ],
)  # fmt: skip
def test_control_characters_and_escapes_are_removed(text: str, shown: str) -> None:
    assert printable(text) == shown
