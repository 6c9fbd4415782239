"""What a node tells of its start on the console, and how fast it is."""

import json
import re

from pydantic import BaseModel, ConfigDict, ValidationError

PREFIX = "KUBEISO "

BASELINE_CPU_MS = 25.0
"""Milliseconds of processor time that the loop of the node's init takes natively (pkg/init, the loop behind `cpu_ms`).

Measured on an Intel Xeon of 2.9 GHz; a machine without hardware virtualization needs ten to thirty times as much."""

SLOWEST = 30.0

_LINE = re.compile(re.escape(PREFIX) + r"(\{.*\})")


class Stage(BaseModel):
    """One line of the node's init: `t` is in seconds since the kernel's start, `seconds` what the stage took.

    `state` is start, ok, failed, restart or exited. Keys that are not known here are kept (`model_extra`).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    t: float = 0.0
    stage: str
    name: str = ""
    state: str
    seconds: float | None = None
    error: str = ""
    cpu_ms: float | None = None

    @property
    def title(self) -> str:
        return f"{self.stage} {self.name}".strip()


def parse_stage(line: str) -> Stage | None:
    """The stage that a console line tells; None for any other line, one that something else was printed into included."""
    found = _LINE.search(line)
    if not found:
        return None
    try:
        return Stage.model_validate(json.loads(found[1]))
    except (json.JSONDecodeError, ValidationError):
        return None


def scale_of(cpu_ms: float) -> float:
    """How many times slower than hardware a guest is whose loop took `cpu_ms`: from 1 to 30. For each deadline of it."""
    return min(SLOWEST, max(1.0, cpu_ms / BASELINE_CPU_MS))
