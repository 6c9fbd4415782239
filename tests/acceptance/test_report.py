"""Reports: text, JUnit XML and JSON say the same."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from builder.acceptance.model import Report
from builder.acceptance.report import junit, text, write
from builder.checks import Finding, Outcome


def report(*outcomes: Outcome) -> Report:
    findings = tuple(
        Finding(id=f"A{n}", name=f"check {n}", outcome=outcome, reason=f"reason <{n}>\x07", began=n, seconds=1.5)
        for n, outcome in enumerate(outcomes)
    )
    return Report(
        suite="smoke", runtime="cri-containerd", kubernetes_version="1.36.3", acceleration="tcg", scale=8.0, findings=findings
    )  # fmt: skip


def test_a_run_without_a_check_has_not_passed() -> None:
    assert not report().passed


def test_a_check_that_was_not_run_has_not_passed() -> None:
    assert report(Outcome.PASSED).passed
    assert not report(Outcome.PASSED, Outcome.NOT_RUN).passed


def test_junit_counts_failures_and_what_was_not_run() -> None:
    suite = ElementTree.fromstring(junit(report(Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN)))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [child.tag for case in suite for child in case] == ["system-out", "failure", "error"]


def test_text_ends_with_the_verdict() -> None:
    assert text(report(Outcome.PASSED)).rstrip().endswith("PASSED: 1 passed, 0 failed, 0 not run")
    assert "FAILED: 1 passed, 1 failed, 0 not run" in text(report(Outcome.PASSED, Outcome.FAILED))


def test_all_three_files_are_written(tmp_path: Path) -> None:
    files = write(report(Outcome.PASSED), tmp_path / "out")
    assert sorted(path.name for path in files) == ["junit.xml", "report.json", "report.txt"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["junit.xml", "report.json", "report.txt"]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["findings"][0]["outcome"] == "passed"
