"""What a run of a suite found."""

from pydantic import Field

from builder.checks import Finding, Outcome
from builder.frozen import Frozen


class Report(Frozen):
    """A whole run. It passed only when every check that was planned was seen to pass."""

    suite: str
    runtime: str
    kubernetes_version: str
    acceleration: str
    scale: float
    findings: tuple[Finding, ...]
    timeline: tuple[tuple[str, float], ...] = Field((), description="stage and seconds since the start of the machine")
    bundle: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(finding.outcome is Outcome.PASSED for finding in self.findings)
