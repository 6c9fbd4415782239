"""What a console told so far: its stages, its last lines, and the reason why the node can't go on, if there is one."""

import re
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from builder.console.model import Stage
from builder.console.speed import parse_stage
from builder.console.wire import plain

FATAL_STAGES = frozenset({"medium", "root", "onboot"})
"""A node that fails in one of these stops its boot."""

FATAL = re.compile(r"Kernel panic - not syncing|\bOops: |Out of memory: Killed process 1 |Attempted to kill init")

# GRUB's word on its menu entry, from both firmwares: the first of each boot that is told on every console.
LOADER = "Booting `"

# What OVMF shows when it has no medium left to try.
NO_BOOT = re.compile(r"No bootable option or device was found|UEFI Interactive Shell")

GRACE = 15.0
"""Seconds in which a command may still end after its output held something fatal: a log that is printed may quote a panic."""

TOKEN = r"[0-9a-f]{16}"
_BEGIN, _END = re.compile(rf"{TOKEN} begin$"), re.compile(rf"{TOKEN} end \d+$")


class Story:
    """Takes the lines of a console one by one; what it holds is of the last boot among them. Not locked: its user is."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._lines: deque[str] = deque(maxlen=400)
        self._fatal = ""
        self._quoted = ""
        self._quoted_at = 0.0
        self._inside = False

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Story":
        story = cls()
        for line in lines:
            story.take(line)
        return story

    @classmethod
    def from_log(cls, log: Path | None) -> "Story":
        """The story in a console log; an empty one where there is no such file."""
        text = log.read_text(errors="replace") if log and log.exists() else ""
        return cls.of(plain(text).split("\n")[:-1])

    def take(self, line: str) -> Stage | None:
        """Takes a whole, plain line; returns the stage in it."""
        self._lines.append(line)
        stage = parse_stage(line)
        if stage:
            self._take_stage(stage)
        elif _BEGIN.search(line):
            self._inside = True
        elif _END.search(line):
            self._inside, self._quoted = False, ""
        elif NO_BOOT.search(line):
            self._take_fatal("the firmware found nothing to boot from")
        elif LOADER in line:
            self._begin_boot()
        elif FATAL.search(line):
            self._take_fatal(f"the console shows: {line.strip()}")
        return stage

    @property
    def reason(self) -> str:
        """Why the node can't go on; empty while nothing speaks against it."""
        late = time.monotonic() - self._quoted_at > GRACE
        return self._fatal or (self._quoted if late else "")

    @property
    def busy(self) -> bool:
        """Whether a command of ours began and did not end, as far as the console told."""
        return self._inside

    def tail(self, count: int) -> tuple[str, ...]:
        return tuple(list(self._lines)[-count:])

    def _take_stage(self, stage: Stage) -> None:
        self.stages.append(stage)
        optional = (stage.model_extra or {}).get("optional", False)
        if stage.state == "failed" and stage.stage in FATAL_STAGES and not optional:
            self._fatal = self._fatal or f"the node failed in its stage {stage.title}: {stage.error or 'no reason told'}"

    def _begin_boot(self) -> None:
        self.stages.clear()
        self._fatal, self._quoted, self._inside = "", "", False

    def _take_fatal(self, text: str) -> None:
        if not self._inside:
            self._fatal = self._fatal or text
        elif not self._quoted:
            self._quoted, self._quoted_at = text, time.monotonic()
