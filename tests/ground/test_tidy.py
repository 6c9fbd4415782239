"""What goes from the cache and what stays, beside a run that is under way too."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from builder.run import spawn
from builder.store import Store
from builder.tidy import DAY, GO_LOCK, parts

PROJECT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
from builder.store import Store
store = Store(Path(sys.argv[1]))
with store.workdir("test") as directory, store.writer() as writer:
    (directory / "half").write_bytes(b"half of")
    found = store.put(b"found")
    print("ready", flush=True)
    sys.stdin.readline()
    assert store.read(found) == b"found"
    writer.write((directory / "half").read_bytes())
print(writer.digest, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@contextmanager
def go_caches(store: Store, **ages: float) -> Iterator[dict[str, Path]]:
    """Files of Go's caches, each last used so many days ago."""
    places = {"old": "compiled/0a/0a-d", "new": "compiled/0b/0b-d", "module": "mod/example.test/greet@v1.0.0/greet.go"}
    files = {name: store.root / "scratch" / "go" / places[name] for name in ages}
    for name, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(8192))
        os.utime(file, (time.time() - ages[name] * DAY,) * 2)
    yield files


def test_a_clean_beside_a_run_takes_nothing_of_it(store: Store) -> None:
    old = store.put(b"old")
    os.utime(store.path(old), (time.time() - 2 * DAY, time.time() - 9 * DAY))
    with spawn([sys.executable, "-c", WORKER, store.root], cwd=PROJECT, stdin=PIPE) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == b"ready\n"
        store.clean(everything=True)
        out, _ = process.communicate(b"\n", timeout=20)
    assert process.returncode == 0
    assert Store(store.root).read(out.decode().strip()) == b"half of"  # type: ignore[arg-type]  # a digest
    assert not store.has(old), "what was used in the last day alone stays"
    store.clean()
    assert list((store.root / "blobs" / "sha256").iterdir()) == []


def test_what_a_killed_run_left_goes(store: Store) -> None:
    with spawn([sys.executable, "-c", WORKER, store.root], cwd=PROJECT, stdin=PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait(10)
    store.clean()
    assert [path for name in ("tmp", "blobs/sha256") for path in (store.root / name).iterdir()] == []


def test_unused_takes_what_go_did_not_use_for_so_long(store: Store) -> None:
    with go_caches(store, old=8, new=6, module=30) as files:
        assert store.clean(unused=7 * DAY) == 8192
        assert {name: file.exists() for name, file in files.items()} == {"old": False, "new": True, "module": True}


def test_modules_go_once_no_build_was_for_so_long(store: Store) -> None:
    with go_caches(store, old=8, module=8) as files:
        assert store.clean(unused=7 * DAY) == 16384
        assert not any(file.exists() for file in files.values())


def test_a_plain_clean_leaves_what_go_keeps_and_all_takes_it(store: Store) -> None:
    with go_caches(store, old=8, new=0, module=0) as files:
        store.clean()
        assert all(file.exists() for file in files.values())
        assert store.clean(everything=True) == 3 * 8192
        assert not any(file.exists() for file in files.values())


def test_go_s_caches_stay_while_go_is_at_work(store: Store) -> None:
    with go_caches(store, old=8, module=8) as files, store.lock(GO_LOCK):
        assert store.clean(unused=7 * DAY) == store.clean(everything=True) == 0
        assert all(file.exists() for file in files.values())


def test_a_download_that_broke_off_long_ago_goes(store: Store) -> None:
    for name, days in (("a" * 64, 8), ("b" * 64, 1)):
        part = store.scratch("downloads") / f"{name}.part"
        part.write_bytes(b"half of")
        os.utime(part, (time.time() - days * DAY,) * 2)
    store.clean(unused=7 * DAY)
    assert [path.name for path in store.scratch("downloads").iterdir()] == ["b" * 64 + ".part"]


def test_what_takes_room_is_told_largest_first(store: Store) -> None:
    store.put(os.urandom(1 << 20))
    with go_caches(store, new=0):
        told = parts(store.root)
    assert [part.title for part in told[:2]] == ["parts, images and layers", "Go's build cache"]
    assert told[0].size >= 1 << 20 and told[1].size == 8192
