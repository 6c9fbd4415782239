"""The processes that this one has started."""

from pathlib import Path

from builder import orphans


def children() -> set[str]:
    """Those that have ended and nobody waited for, too; without the one that watches over the others (builder/orphans.py)."""
    every = {pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()}
    return every - {str(orphans._watcher.pid if orphans._watcher else 0)}
