"""Named, ordered checks that show their live reason, one after the other, until one fails."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from builder.deadline import Deadline
from builder.errors import KubeisoError
from builder.frozen import Frozen
from builder.progress import note, step


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


class Finding(Frozen):
    """What one check showed. `began` counts in seconds from the start of the run."""

    id: str
    name: str
    outcome: Outcome
    reason: str
    began: float
    seconds: float


def surprise(error: Exception) -> str:
    """What is told of an error that nobody foresaw: the run goes on to its report, which shows where it came from."""
    told = "".join(traceback.format_exception(error)).strip()
    return f"kubeiso itself failed: {type(error).__name__}: {error}\n{told}"


class NotYet(Exception):
    """Raised by a look when the thing is not there yet; the text is the live reason."""


@dataclass(frozen=True)
class Check:
    """`look` returns the proof as a short text, or raises NotYet. `seconds` is for a machine at native speed."""

    id: str
    name: str
    look: Callable[[], str]
    seconds: float = 60.0
    once: bool = False


class Engine:
    """Runs checks and keeps what they found. `alive` raises when a machine is gone, so that no wait outlives it."""

    def __init__(self, scale: float, alive: Callable[[], None], interval: float = 2.0) -> None:
        self.scale = scale
        self.findings: list[Finding] = []
        self._alive = alive
        self._interval = interval
        self._start = time.monotonic()

    @property
    def failed(self) -> bool:
        return any(finding.outcome is not Outcome.PASSED for finding in self.findings)

    def run(self, checks: Sequence[Check]) -> bool:
        """Runs the checks in their order; those after a failed one are listed as not run. True when all passed."""
        for check in checks:
            began = time.monotonic()
            try:
                outcome, reason = (Outcome.NOT_RUN, "an earlier check failed") if self.failed else self._one(check)
            except KeyboardInterrupt:
                self._keep(check, Outcome.FAILED, "interrupted", began)
                raise
            self._keep(check, outcome, reason, began)
        return not self.failed

    def _one(self, check: Check) -> tuple[Outcome, str]:
        deadline = Deadline.after(check.seconds, scale=self.scale)
        with step(check.name) as work:
            while True:
                last = check.once or deadline.expired
                try:
                    self._alive()
                    return Outcome.PASSED, check.look()
                except NotYet as reason:
                    work.advance(0, str(reason))
                    if last:
                        limit = "" if check.once else f" (still so after {deadline.seconds:.0f} s)"
                        return Outcome.FAILED, f"{reason}{limit}"
                except KubeisoError as error:
                    return Outcome.FAILED, str(error)
                except Exception as error:
                    return Outcome.FAILED, surprise(error)
                time.sleep(self._interval)

    def _keep(self, check: Check, outcome: Outcome, reason: str, began: float) -> None:
        now = time.monotonic()
        finding = Finding(
            id=check.id, name=check.name, outcome=outcome, reason=reason, began=began - self._start, seconds=now - began
        )
        self.findings.append(finding)
        note(f"{outcome.value:8} {check.id:4} {check.name}: {reason}")
