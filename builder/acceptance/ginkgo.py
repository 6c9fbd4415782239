"""Suites of Ginkgo (onsi.github.io/ginkgo): how their tests are chosen, and when a run of them counts as passed."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence

from builder.checks import NotYet
from builder.deadline import Deadline
from builder.run import last_line

# The part of a deadline after which a program ends itself, with a report.
_OWN_LIMIT = 0.9
# States of a test that did not go wrong (types.SpecState), and how a test's name begins in a report (reporters/junit_report.go).
GOOD, TEST = ("passed", "skipped", "pending"), "[It] "


def bounds(report: str, deadline: Deadline) -> list[str]:
    """Arguments for a report at that path and a time limit."""
    limit = f"{deadline.remaining * _OWN_LIMIT:.0f}s"
    return [f"--ginkgo.timeout={limit}", f"--ginkgo.junit-report={report}", "--ginkgo.no-color"]


def named(report: bytes) -> list[str]:
    """The full names of all tests of a report, without their kind; raises NotYet for one that can't be read."""
    return [_name(case) for case in cases(report) if is_test(case)]


def cases(report: bytes, code: int = 0, log: str = "") -> list[ElementTree.Element]:
    """What a JUnit report tells of each test; raises NotYet where there is none, or not the whole."""
    if not report:
        raise NotYet(f"exit code {code} and no report: {last_line(log)}")
    try:
        return list(ElementTree.fromstring(report).iter("testcase"))
    except ElementTree.ParseError as error:
        raise NotYet(f"exit code {code} and a report that is cut: {error}") from error


def passed(code: int, report: bytes, log: str) -> list[str]:
    """The full names of the tests that passed; raises NotYet with the reason where one failed or the program did.

    code: the program's exit code. report: Ginkgo's JUnit XML; empty where there is none. log: the program's output.
    """
    found = cases(report, code, log)
    wrong = [f"{case.get('name')}: {_message(case)}" for case in found if case.get("status") not in GOOD]
    if wrong or code != 0:
        raise NotYet("; ".join(wrong) or f"exit code {code}: {last_line(log)}")
    return [_name(case) for case in found if case.get("status") == "passed" and is_test(case)]


def is_test(case: ElementTree.Element) -> bool:
    """What is set up before the tests, and reports after them, has lines of its own, which begin with another word."""
    return case.get("name", "").startswith(TEST)


def _name(case: ElementTree.Element) -> str:
    return case.get("name", "").removeprefix(TEST)


def verdict(ran: Sequence[str], wanted: Sequence[str], same: Callable[[str, str], bool]) -> str:
    """The proof that each wanted test ran once, and nothing else; raises NotYet otherwise. same: whether a name means a test."""
    if len(ran) != len(wanted) or any(sum(same(name, test) for test in ran) != 1 for name in wanted):
        missing = [name for name in wanted if not any(same(name, test) for test in ran)]
        more = [test for test in ran if not any(same(name, test) for name in wanted)]
        told = "; ".join(f"{what}: {', '.join(names)}" for what, names in (("not run", missing), ("run besides", more)) if names)
        raise NotYet(f"{len(ran)} tests ran, not the {len(wanted)} that were asked for; {told or 'one ran twice'}")
    return f"{len(ran)} of {len(wanted)} passed"


def part_of(name: str, test: str) -> bool:
    """For verdict(): the name is a part of the test's full one."""
    return name in test


def message_of(case: ElementTree.Element) -> str:
    """What a test that failed or skipped itself says, in a few words."""
    told = (part.get("message") or part.text or "" for part in case if part.tag in ("failure", "error", "skipped"))
    return " ".join(" ".join(told).split())[:300]


def _message(case: ElementTree.Element) -> str:
    """How a test ended, and what it says."""
    return f"{case.get('status')} {message_of(case)}".strip()[:300]
