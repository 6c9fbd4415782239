"""What a node tells of its start on the console, and how fast it is."""

import json
import re

from pydantic import ValidationError

from builder.console.model import Stage

PREFIX = "KUBEISO "

NATIVE_CPU_MS = 37.0
"""Milliseconds that the measured loop (pkg/initrd/cpu) takes natively: the best of 21 runs on a quiet AMD EPYC at 2.4 GHz."""

UNDERSTATED = 4.0
"""How much more than that loop real work slows down. The loop is kind to an emulator: on a quiet host it takes 2.0 times its
native time there (70 to 77 ms), while a kernel's boot and kubeadm take 5 to 8 times theirs."""

SLOWEST = 30.0

_LINE = re.compile(re.escape(PREFIX) + r"(\{.*\})")


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
    return min(SLOWEST, max(1.0, 1.0 + UNDERSTATED * (cpu_ms / NATIVE_CPU_MS - 1.0)))
