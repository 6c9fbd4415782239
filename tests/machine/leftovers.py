"""What is left on this host of machines and switches that had all their files in one directory."""

import os
from pathlib import Path


def leftovers(directory: Path) -> list[str]:
    """Processes whose command line names the directory, sockets bound below it, and its files; nothing is what a test wants."""
    return [*_processes(str(directory)), *_sockets(str(directory)), *(str(path) for path in sorted(directory.rglob("*")))]


def _processes(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if mark in line:
            found.append(f"process {entry.name}: {line.strip()}")
    return found


def _sockets(mark: str) -> list[str]:
    """The last field is the path that the socket was bound to (proc(5), /proc/net/unix)."""
    return [f"socket {line.split()[-1]}" for line in Path("/proc/net/unix").read_text().splitlines() if mark in line]
