"""Files and directories for work under way, each claimed by the process at work, so that what a killed one left can be swept.

A claim is a lock (flock(2)): the kernel frees it when its process dies, however that came. Where a file system has no such
locks nothing is claimed, and nothing is swept.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from builder.progress import debug

SUFFIX = ".work"
"""Only names that end so are ever swept."""


@contextmanager
def workdir(parent: Path, prefix: str) -> Iterator[Path]:
    """A new directory in `parent` for this user alone, removed at the end."""
    claim, directory = _claimed(lambda: _new_directory(parent, prefix))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(claim)


@contextmanager
def workfile(parent: Path, prefix: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in `parent`, open for writing, removed at the end unless it was renamed."""
    claim, path = _claimed(lambda: _new_file(parent, prefix))
    with os.fdopen(claim, "wb") as file:
        try:
            yield path, file
        finally:
            path.unlink(missing_ok=True)


def sweep(parent: Path, prefix: str = "") -> None:
    """Removes the work in `parent` whose process is dead; nothing that a living one has claimed, and nothing of another name."""
    for path in parent.iterdir():
        if path.name.startswith(prefix) and path.name.endswith(SUFFIX):
            with suppress(OSError):  # it ended meanwhile, is another user's, or has no locks
                _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    claim = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        debug(f"removing {path}, which a run that was killed has left")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        os.close(claim)


def _claimed(make: Callable[[], tuple[int, Path]]) -> tuple[int, Path]:
    """What `make` made, with the claim on it; a sweep may take it in the moment between the two, then another is made."""
    while True:
        claim, path = make()
        with suppress(OSError):
            fcntl.flock(claim, fcntl.LOCK_EX)
        if path.exists():
            return claim, path
        os.close(claim)


def _new_directory(parent: Path, prefix: str) -> tuple[int, Path]:
    while True:
        path = Path(tempfile.mkdtemp(SUFFIX, prefix, parent))
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY), path


def _new_file(parent: Path, prefix: str) -> tuple[int, Path]:
    claim, name = tempfile.mkstemp(SUFFIX, prefix, parent)
    return claim, Path(name)
