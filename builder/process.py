"""A process that need not be our child: who it is, whether it still lives, and signals that can't hit another one."""

import os
import select
import signal
import weakref
from pathlib import Path

from builder.frozen import Frozen


class Identity(Frozen):
    """A process id is used again sooner or later; with its start (clock ticks after boot) and the boot it is one of a kind."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """The host's boot, as random hexadecimal digits (proc(5), sys/kernel/random/boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """None where no such process lives. The start is field 22 of /proc/PID/stat (proc(5)); field 2 may hold any character."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid=pid, started=int(fields[18]), boot=boot_id())


def noted(pid_file: Path) -> Identity | None:
    """Who wrote its id into the file, where that can be read and such a process lives; it may be another one by now."""
    try:
        return identify(int(pid_file.read_text()))
    except (FileNotFoundError, ValueError):
        return None


def search(*words: str) -> Identity | None:
    """A process of this user whose arguments have those words in a row: the last resort where no file tells who it is."""
    wanted = b"\0" + b"".join(os.fsencode(word) + b"\0" for word in words)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.geteuid() and wanted in b"\0" + (folder / "cmdline").read_bytes():
                return identify(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while it was looked at
    return None


class Process:
    """A living process, held by a pidfd so that neither a wait nor a signal can meet a later one with the same id."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._closing = weakref.finalize(self, os.close, descriptor)

    @classmethod
    def find(cls, identity: Identity, mark: str) -> "Process | None":
        """The process itself, if it lives and its command line names `mark`; else None."""
        try:
            descriptor = os.pidfd_open(identity.pid)
        except (ProcessLookupError, OSError):
            return None
        if identify(identity.pid) == identity and mark in _command_line(identity.pid):
            return cls(identity.pid, descriptor)
        os.close(descriptor)
        return None

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether it ended, after a wait of at most `timeout` seconds."""
        return bool(select.select([self._descriptor], [], [], timeout)[0])

    def send(self, number: signal.Signals) -> None:
        if not self.ended():
            signal.pidfd_send_signal(self._descriptor, number)

    def end(self, patience: float) -> signal.Signals | None:
        """Sends SIGTERM, then SIGKILL, and waits `patience` seconds after each; returns what ended it, None where nothing did."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.send(number)
            if self.ended(patience):
                return number
        return None

    def close(self) -> None:
        """Lets go of it; it can't be asked any more. Whoever forgets this does no harm."""
        self._closing()


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
