"""Locks: one holder at a time, freed by its death, and words for who waits."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from builder import lock, progress
from builder.deadline import Deadline, poll
from builder.lock import held
from builder.run import spawn

PROJECT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from builder.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Notes(progress.Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, level: str, text: str) -> None:
        self.notes.append(f"{level}: {text}")

    def moved(self, step: progress.Step) -> None:
        self.notes.append(f"{step.title}: {progress.amount(step)}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notes]:
    monkeypatch.setattr(lock, "FIRST", 0.1)
    monkeypatch.setattr(lock, "LIFE", 0.2)
    before = progress.use(notes := Notes())
    yield notes
    progress.use(before)


def take(path: Path, done: threading.Event) -> None:
    with held(path):
        done.set()


def test_who_waits_says_for_whom_and_goes_on_saying(tmp_path: Path, told: Notes) -> None:
    path, done = tmp_path / "key", threading.Event()
    with spawn([sys.executable, "-c", HOLDER, path, "--set", "token=x"], cwd=PROJECT, stdin=PIPE) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == b"held\n"
        with progress.step("Making it"):
            waiter = threading.Thread(target=take, args=(path, done))
            waiter.start()
            poll(lambda: len(words(told)) >= 3 or None, Deadline.after(10), what="three words on the wait", interval=0.02)
            assert not done.is_set()
            process.stdin.write(b"\n")
            process.stdin.flush()
            waiter.join(10)
    assert done.is_set()
    who = f"waiting for process {process.pid} (-c {path}), which is at the same work"
    assert words(told)[:2] == [f"info: {who}", f"Making it: {who}"]


def test_a_wait_for_another_thread_is_told_as_such(tmp_path: Path, told: Notes) -> None:
    path, done = tmp_path / "key", threading.Event()
    with held(path):
        waiter = threading.Thread(target=take, args=(path, done))
        waiter.start()
        poll(lambda: words(told) or None, Deadline.after(10), what="a word on the wait", interval=0.02)
    waiter.join(10)
    assert done.is_set()
    assert words(told)[0] == "info: waiting for another part of this run, which is at the same work"


def test_a_holder_that_was_killed_blocks_nobody(tmp_path: Path) -> None:
    with spawn([sys.executable, "-c", HOLDER, tmp_path / "key"], cwd=PROJECT, stdin=PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        process.kill()
        process.wait(10)
        with held(tmp_path / "key"):
            assert (tmp_path / "key").read_text().split()[0] == str(os.getpid())


def test_no_word_where_nobody_waits(tmp_path: Path, told: Notes) -> None:
    with held(tmp_path / "key"):
        pass
    assert words(told) == []


def words(told: Notes) -> list[str]:
    return [text for text in told.notes if "waiting for" in text]
