"""Locks between threads and processes, by a file (flock(2)): freed by the kernel when their holder dies. Who waits says so."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from builder.progress import note, still

FIRST, LIFE = 1.0, 15.0  # seconds until the first word on a wait, and between two later ones
SHORTEST, LONGEST = 0.01, 0.25  # seconds between two tries; each takes twice as long as the one before


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock; the file says by whom, so that others can tell what they wait for."""
    with path.open("a+") as file:
        _take(file)
        with suppress(OSError):  # a full disk: it is held all the same
            file.truncate(0)
            verb = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])  # no more of it: values may be secret
            os.write(file.fileno(), f"{os.getpid()} {verb}\n".encode())  # no buffer, which would be flushed once more at the end
        yield


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock now."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _take(file: IO[str]) -> None:
    begun, told, pause = time.monotonic(), -LIFE, SHORTEST
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        waited = time.monotonic() - begun
        if waited >= FIRST and waited - told >= LIFE:
            (note if told < 0 else still)(f"waiting for {holder(file)}")
            told = waited
        time.sleep(pause)
        pause = min(pause * 2, LONGEST)


def holder(file: IO[str]) -> str:
    """Who holds the lock, in words. The file may be empty for a moment."""
    file.seek(0)
    pid, _, command = file.readline().strip().partition(" ")
    if pid == str(os.getpid()):
        return "another part of this run, which is at the same work"
    return f"process {pid} ({command}), which is at the same work" if pid else "another run, which is at the same work"
