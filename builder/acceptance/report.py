"""A report as text, JUnit XML and JSON."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from builder.acceptance.model import Report
from builder.acceptance.page import printable
from builder.aside import write_aside
from builder.checks import Finding, Outcome

FILES = ("report.txt", "junit.xml", "report.json")


def text(report: Report) -> str:
    """A table for people, the verdict last."""
    head = f"suite {report.suite}, runtime {report.runtime}, Kubernetes v{report.kubernetes_version}, {report.acceleration}"
    rows = [f"  {f.outcome.value:8} {f.id:5} {f.name} ({f.seconds:.1f} s): {f.reason}" for f in report.findings]
    stages = [f"  {seconds:7.1f} s  {stage}" for stage, seconds in report.timeline]
    counts = {outcome: sum(f.outcome is outcome for f in report.findings) for outcome in Outcome}
    verdict = "PASSED" if report.passed else "FAILED"
    tail = f"{verdict}: {counts[Outcome.PASSED]} passed, {counts[Outcome.FAILED]} failed, {counts[Outcome.NOT_RUN]} not run"
    bundle = [f"diagnostics: {report.bundle}"] if report.bundle else []
    return "\n".join([head, *rows, "timeline (from the start of the machine):", *stages, *bundle, tail]) + "\n"


def junit(report: Report) -> str:
    """JUnit XML: one testcase for each check; a check that was not run counts as an error, never as a pass."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"kubeiso.{report.suite}.{report.runtime}",
        tests=str(len(report.findings)),
        failures=str(sum(f.outcome is Outcome.FAILED for f in report.findings)),
        errors=str(sum(f.outcome is Outcome.NOT_RUN for f in report.findings)),
        time=f"{sum(f.seconds for f in report.findings):.3f}",
    )
    for finding in report.findings:
        suite.append(_case(report, finding))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(report: Report, finding: Finding) -> ElementTree.Element:
    where = f"kubeiso.{report.suite}.{report.runtime}"
    case = ElementTree.Element("testcase", classname=where, name=f"{finding.id} {finding.name}", time=f"{finding.seconds:.3f}")
    kind = {Outcome.FAILED: "failure", Outcome.NOT_RUN: "error"}.get(finding.outcome)
    if kind:
        ElementTree.SubElement(
            case, kind, message=printable((finding.reason.splitlines() or ["without a reason"])[0][:300])
        ).text = printable(finding.reason)
    else:
        ElementTree.SubElement(case, "system-out").text = printable(finding.reason)
    return case


def write(report: Report, directory: Path) -> tuple[Path, ...]:
    """Writes report.txt, junit.xml and report.json; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, (text(report), junit(report), report.model_dump_json(indent=1) + "\n"), strict=True):
        write_aside(directory / name, content)
    return tuple(directory / name for name in FILES)
