"""What a console told so far: its stages, its last lines, and the reason why the node can't go on, if there is one."""

import re
import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from builder.console.model import Stage
from builder.console.speed import parse_stage
from builder.console.wire import plain

FATAL_STAGES = frozenset({"medium", "root", "onboot"})
"""A node that fails in one of these stops its boot."""

DAMAGE = "damage"
"""The stage with which a node names a layer of its medium that has a damaged block. Before it is ready, its boot stops so."""

DEGRADED = "degraded"
"""The stage with which a node says, before it is ready, that it runs without its kubelet, and why."""

FATAL = re.compile(r"Kernel panic - not syncing|\bOops: |Out of memory: Killed process 1 |Attempted to kill init")

# GRUB's word on its menu entry, from both firmwares, or that of a kernel which UEFI starts: the first of each boot that every
# console has.
LOADER = re.compile(r"Booting `|^EFI stub: ", re.MULTILINE)

# What OVMF shows when it has no medium left to try.
NO_BOOT = re.compile(r"No bootable option or device was found|UEFI Interactive Shell")

# What OVMF says of a program that no key which it trusts has signed (Secure Boot).
REFUSED = re.compile(r"^BdsDxe: failed to (?:load|start) .*: (?:Access Denied|Security Violation)")

# What `separate` writes before each start of a machine.
_SEPARATOR = re.compile(r"^=== kubeiso: start (\d+) of ", re.MULTILINE)

UNSIGNED = "the firmware refuses what is on the medium: no key that it trusts has signed it (Secure Boot)"

GRACE = 15.0
"""Seconds in which a command may still end after its output held something fatal: a log that is printed may quote a panic."""

TOKEN = r"[0-9a-f]{16}"
_BEGIN, _END = re.compile(rf"{TOKEN} begin$"), re.compile(rf"{TOKEN} end \d+$")


class Story:
    """Takes the lines of a console one by one; what it holds is of the last boot among them. Not locked: its user is."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._earlier: list[str] = []
        self._lines: deque[str] = deque(maxlen=400)
        self._fatal = ""
        self._refused = False
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
        """The story of the last start in a console log; an empty one where there is no such file."""
        return cls.since(log, None) if log and log.exists() else cls()

    @classmethod
    def since(cls, log: Path, size: int | None) -> "Story":
        """What came after the log had `size` bytes; the start before is known but for its faults. None: since the last start."""
        content = log.read_bytes()
        before, after = content[: size or 0].decode(errors="replace"), content[size or 0 :].decode(errors="replace")
        if size is None:
            after = after[_last_start(after) :]
        story = cls.of(_whole_lines(before[_last_start(before) :]))
        story._forget_faults()
        for line in _whole_lines(after):
            story.take(line)
        return story

    def take(self, line: str) -> Stage | None:
        """Takes a whole, plain line; returns the stage that the node tells in it."""
        self._lines.append(line)
        stage = parse_stage(line)
        if stage and self._is_quoted(stage):
            return None
        if stage:
            self._take_stage(stage)
        elif _BEGIN.search(line):
            self._inside = True
        elif _END.search(line):
            self._inside, self._quoted = False, ""
        elif NO_BOOT.search(line):
            self._take_fatal(UNSIGNED if self._refused else "the firmware found nothing to boot from")
        elif REFUSED.search(line):
            self._refused = True
        elif LOADER.search(line) or _SEPARATOR.match(line):
            self._begin_boot(asked=bool(_SEPARATOR.match(line)))
        elif FATAL.search(line):
            self._take_fatal(f"the console shows: {line.strip()}")
        return stage

    @property
    def reason(self) -> str:
        """Why the node can't go on; empty while nothing speaks against it."""
        late = time.monotonic() - self._quoted_at > GRACE
        return self._fatal or (self._quoted if late else "")

    @property
    def faults(self) -> tuple[str, ...]:
        """Whatever spoke against the node in any boot, though a later one is well; and boots that nobody asked for."""
        return (*self._earlier, *([self.reason] if self.reason else []))

    @property
    def degraded(self) -> str:
        """Why the node is up and yet not what it should be; empty where it is."""
        return next((stage.error for stage in reversed(self.stages) if stage.stage == DEGRADED), "")

    @property
    def busy(self) -> bool:
        """Whether a command of ours began and did not end, as far as the console told."""
        return self._inside

    def tail(self, count: int) -> tuple[str, ...]:
        return tuple(list(self._lines)[-count:])

    def _is_quoted(self, stage: Stage) -> bool:
        """Whether a command prints what a node told once: no stage of a boot comes after the boot's end, nor goes back in time.

        A node that runs commands tells of its services, and of its end.
        """
        early = stage.stage in FATAL_STAGES or stage.stage == "ready"
        return (self._boot_is_over and early) or (self._inside and (early or (bool(self.stages) and stage.t < self.stages[-1].t)))

    @property
    def _boot_is_over(self) -> bool:
        return any(told.stage == "ready" for told in self.stages)

    def _take_stage(self, stage: Stage) -> None:
        self.stages.append(stage)
        goes_on = any((stage.model_extra or {}).get(word, False) for word in ("optional", "degraded"))
        stops = stage.stage in FATAL_STAGES or (stage.stage == DAMAGE and not self._boot_is_over)
        if stage.state == "failed" and stops and not goes_on:
            self._fatal = self._fatal or f"the node failed in its stage {stage.title}: {stage.error or 'no reason told'}"

    def _begin_boot(self, *, asked: bool) -> None:
        """asked: by whoever holds the machine. A loader that speaks twice before the node does is one boot."""
        if fault := self._fatal or self._quoted:
            self._earlier.append(fault)
        elif self.stages and not asked:
            self._earlier.append("it started anew, by itself")
        self.stages.clear()
        self._fatal, self._quoted, self._inside, self._refused = "", "", False, False

    def _forget_faults(self) -> None:
        self._earlier.clear()
        self._fatal = self._quoted = ""

    def _take_fatal(self, text: str) -> None:
        if not self._inside:
            self._fatal = self._fatal or text
        elif not self._quoted:
            self._quoted, self._quoted_at = text, time.monotonic()


def _last_start(text: str) -> int:
    return max((found.start() for found in _SEPARATOR.finditer(text)), default=0)


def _whole_lines(text: str) -> list[str]:
    return plain(text).split("\n")[:-1]


def separate(log: Path, name: str) -> None:
    """Begins the part of a start in the console log of a machine, whose earlier starts stay in it."""
    before = log.read_text(errors="replace") if log.exists() else ""
    number = 1 + len(_SEPARATOR.findall(before))
    begin = "" if before.endswith("\n") or not before else "\n"
    with log.open("a") as file:
        log.chmod(0o600)
        file.write(f"{begin}=== kubeiso: start {number} of {name} at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} ===\n")
