"""Work under way: what a process that was killed left is swept, and nothing of a living one."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.run import spawn
from builder.store import Store
from builder.workplace import SUFFIX, sweep, workdir, workfile

PROJECT = Path(__file__).parents[2]

# Has a directory with a file in it, and a blob half written; then waits for its end.
WORKER = """
import sys, time
from pathlib import Path
from builder.store import Store
store = Store(Path(sys.argv[1]))
with store.workdir("test") as directory, store.writer() as writer:
    (directory / "deep").mkdir()
    (directory / "deep" / "half").write_bytes(b"half of")
    writer.write(b"half of")
    writer.flush()
    print("ready", flush=True)
    time.sleep(60)
"""


@contextmanager
def at_work(root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with spawn([sys.executable, "-c", WORKER, root], cwd=PROJECT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process


def under_way(root: Path) -> set[str]:
    return {path.name for path in (root / "tmp").iterdir()}


def test_the_store_sweeps_what_a_killed_process_left_and_nothing_of_a_living_one(tmp_path: Path) -> None:
    with at_work(tmp_path) as living:
        kept = under_way(tmp_path)
        assert len(kept) == 2
        with at_work(tmp_path) as killed:
            assert len(under_way(tmp_path)) == 4
            killed.kill()
            assert killed.wait(10) == -signal.SIGKILL
        assert len(under_way(tmp_path)) == 4
        Store(tmp_path)
        assert under_way(tmp_path) == kept
        assert living.poll() is None
    Store(tmp_path)
    assert under_way(tmp_path) == set()


def test_a_store_leaves_the_work_of_its_own_process_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.workdir("test") as directory, store.writer() as writer:
        (directory / "file").touch()
        writer.write(b"content")
        Store(tmp_path)
        assert (directory / "file").exists()
    assert store.read(writer.digest) == b"content"
    assert under_way(tmp_path) == set()


def test_other_names_are_left_alone(tmp_path: Path) -> None:
    others = ("notes", ".other-1" + SUFFIX, ".mine-1", ".mine-2" + SUFFIX)
    for name in others[:3]:
        (tmp_path / name).touch()
    (tmp_path / others[3]).symlink_to(tmp_path / "notes")
    (tmp_path / (".mine-3" + SUFFIX)).mkdir()
    sweep(tmp_path, ".mine-")
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_without_locks_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", none)
    with workdir(tmp_path, "a-") as directory, workfile(tmp_path, "b-") as (path, file):
        file.write(b"x")
        sweep(tmp_path)
        assert directory.exists() and path.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_renamed_stays(tmp_path: Path) -> None:
    with workfile(tmp_path, "a-") as (path, file):
        file.write(b"whole")
        file.flush()
        path.replace(tmp_path / "file")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]


def test_sweeps_at_every_moment_take_nobody_s_place(tmp_path: Path) -> None:
    """Places are made and claimed in several threads, while others sweep without a pause."""

    def work(number: int) -> bool:
        if number % 2:
            sweep(tmp_path)
            return True
        with workdir(tmp_path, "a-") as directory, workfile(tmp_path, "b-") as (path, _):
            (directory / "file").touch()
            return path.exists()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(2000)))
    assert list(tmp_path.iterdir()) == []
