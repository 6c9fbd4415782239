"""The content-addressed store."""

import errno
import hashlib
import io
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from private_mounts import private_mounts

from builder.errors import BuildError
from builder.run import run, spawn
from builder.store import Digest, Store, default_root, digests_in, disk_errors, file_digest, key_of, sha256

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def content(store: Store) -> list[str]:
    """Every blob, and all that work under way has left."""
    return sorted(path.name for folder in ("blobs/sha256", "tmp") for path in (store.root / folder).iterdir())


@QUICK
@given(data=st.binary(max_size=300))
def test_what_goes_in_comes_out(store: Store, data: bytes) -> None:
    digest = store.put(data)
    assert digest == "sha256:" + hashlib.sha256(data).hexdigest() == sha256(data)
    assert store.put_stream(io.BytesIO(data), expected=digest) == digest
    assert store.read(digest) == data
    assert file_digest(store.path(digest)) == digest
    assert not any((store.root / "tmp").iterdir())


def test_a_blob_is_read_only_and_there_once(store: Store) -> None:
    first = store.path(store.put(b"x"))
    assert first.stat().st_mode & 0o222 == 0
    inode = first.stat().st_ino
    assert store.path(store.put(b"x")).stat().st_ino == inode
    assert content(store) == [sha256(b"x")[7:]]


def test_another_checksum_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="another checksum") as caught:
        store.put_stream(io.BytesIO(b"changed on the way"), expected=sha256(b"as published"))
    assert caught.value.why == f"expected {sha256(b'as published')}, got {sha256(b'changed on the way')}"
    file = tmp_path / "file"
    file.write_bytes(b"changed on the way")
    with pytest.raises(BuildError, match="another checksum"):
        store.put_file(file, expected=sha256(b"as published"))
    assert content(store) == []


def test_a_writer_that_is_interrupted_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.write(b"half of")
        raise KeyboardInterrupt
    assert content(store) == []


def test_adopt_moves_a_file_in(store: Store) -> None:
    with store.workdir("test") as directory:
        made = directory / "made"
        made.write_bytes(b"made")
        inode = made.stat().st_ino
        digest = store.adopt(made)
        assert store.path(digest).stat().st_ino == inode
        assert not made.exists()
    assert content(store) == [digest[7:]]


def test_a_workdir_is_gone_even_after_a_failure(store: Store) -> None:
    with pytest.raises(RuntimeError), store.workdir("test") as directory:
        (directory / "half").touch()
        raise RuntimeError
    assert content(store) == []


@pytest.mark.parametrize(
    "bad", ["", "sha256:", "sha256:" + "g" * 64, "sha512:" + "0" * 64, "sha256:../../" + "0" * 58, "sha256:" + "A" * 64]
)
def test_what_is_no_digest_names_no_file(store: Store, bad: str) -> None:
    with pytest.raises(BuildError, match="is not a SHA-256 digest"):
        store.path(Digest(bad))


def test_keys_depend_on_the_content_alone() -> None:
    assert key_of({"a": 1, "b": [2]}, "x") == key_of({"b": [2], "a": 1}, "x")
    assert len({key_of(), key_of("x"), key_of(["x"]), key_of("x", "y"), key_of(["x", "y"]), key_of("xy")}) == 6


def test_digests_are_found_at_any_depth() -> None:
    one, two, three = (sha256(bytes([number])) for number in range(3))
    assert list(digests_in({"a": one, "b": [{"c": two}, (three, "sha256:short", 5, None)]})) == [one, two, three]


def test_recall_gives_what_was_remembered(store: Store) -> None:
    result = {"image": store.put(b"layer"), "size": 5, "notes": ["a"]}
    store.remember("key", result)
    assert store.recall("key") == result
    assert store.recall("other") is None


def test_recall_ignores_results_whose_blobs_are_gone(store: Store) -> None:
    result = {"deep": [{"layer": store.put(b"layer")}]}
    store.remember("key", result)
    store.path(sha256(b"layer")).unlink()
    assert store.recall("key") is None
    assert store.once("key", lambda: {"deep": [{"layer": store.put(b"layer")}]}) == result


def test_recall_ignores_results_that_are_cut_off(store: Store) -> None:
    store.remember("key", {"size": 5})
    (store.root / "results" / "key.json").write_text('{"si')
    assert store.recall("key") is None


def test_once_is_once_for_threads(store: Store) -> None:
    made = []

    def make() -> dict[str, Any]:
        made.append(threading.get_ident())
        time.sleep(0.05)
        return {"blob": store.put(b"made")}

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: store.once("key", make), range(8)))
    assert len(made) == 1
    assert results == [{"blob": sha256(b"made")}] * 8


def test_once_is_for_each_key_by_itself(store: Store) -> None:
    """A maker may ask for another key on its way."""
    assert store.once("outer", lambda: {"inner": store.once("inner", lambda: {"x": 1})}) == {"inner": {"x": 1}}


def test_once_remembers_no_failure(store: Store) -> None:
    def fail() -> dict[str, Any]:
        raise BuildError("no")

    with pytest.raises(BuildError):
        store.once("key", fail)
    assert store.once("key", lambda: {"x": 1}) == {"x": 1}


MAKER = """
import sys, time
from pathlib import Path
from builder.store import Store
store, log = Store(Path(sys.argv[1])), Path(sys.argv[2])
def make():
    with log.open("a") as file:
        print("made", file=file)
    time.sleep(float(sys.argv[3]))
    return {"blob": store.put(b"made")}
print(store.once("key", make)["blob"], end="")
"""


def test_once_is_once_for_processes(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, "-c", MAKER, str(store.root), str(log), "0.3"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: run(argv, cwd=PROJECT, timeout=60).stdout, range(4)))
    assert answers == [sha256(b"made")] * 4
    assert log.read_text() == "made\n"


def test_a_maker_that_is_killed_blocks_nobody(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with spawn([sys.executable, "-c", MAKER, store.root, log, "60"], cwd=PROJECT) as process:
        end = time.monotonic() + 20
        while not log.exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.kill()
        process.wait(5)
    assert store.once("key", lambda: {"x": 1}) == {"x": 1}


def test_a_full_disk_is_an_error_to_act_on(store: Store) -> None:
    with pytest.raises(BuildError, match="is full") as caught, store.writer() as writer:
        writer.write(b"some")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"more")
    assert "kubeiso clean" in caught.value.hint
    assert "No space left" in caught.value.why
    assert content(store) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB in a mount namespace of its own."""
    fill = """
import sys
from pathlib import Path
from builder.errors import BuildError
from builder.store import Store
store = Store(Path(sys.argv[1]))
kept = store.put(bytes(100_000))
try:
    store.put(bytes(5_000_000))
except BuildError as error:
    print(error.exit_code, error.what)
print(store.has(kept), list((store.root / "tmp").iterdir()))
"""
    script = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$@"'
    argv = [*private_mounts(), "sh", "-c", script, "sh", sys.executable, "-c", fill, str(tmp_path)]
    assert run(argv, cwd=PROJECT).stdout == f"4 the disk that holds {tmp_path} is full\nTrue []\n"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_disk_that_can_not_be_written(tmp_path: Path, code: int) -> None:
    with pytest.raises(BuildError, match="can't be written") as caught, disk_errors(tmp_path):
        raise OSError(code, os.strerror(code))
    assert "KUBEISO_CACHE" in caught.value.hint


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk_errors(tmp_path):
        (tmp_path / "none").read_bytes()


def test_the_default_root_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_CACHE", "/big/disk")
    assert default_root() == Path("/big/disk")
    monkeypatch.delenv("KUBEISO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache2")
    assert default_root() == Path("/home/me/.cache2/kubeiso")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_root() == Path("/home/me/.cache/kubeiso")


def test_results_are_plain_json(store: Store) -> None:
    store.remember("key", {"b": 1, "a": 2})
    assert json.loads((store.root / "results" / "key.json").read_text()) == {"a": 2, "b": 1}


def aged(store: Store) -> None:
    """All that is in the store was made ten days ago and last used two hours ago."""
    for folder in ("blobs/sha256", "results"):
        for path in (store.root / folder).iterdir():
            os.utime(path, (time.time() - 7200, time.time() - 864_000))


def test_only_what_was_not_used_is_cleaned(store: Store) -> None:
    recalled, had, put_again, forgotten = (store.put(data) for data in (b"recalled", b"had", b"put again", b"forgotten"))
    store.remember("used", {"layer": recalled})
    store.remember("unused", {"layer": recalled})
    aged(store)
    assert store.recall("used") is not None
    assert store.has(had)
    store.put(b"put again")
    assert store.clean(unused=3600.0) > 0
    assert [digest for digest in (recalled, had, put_again, forgotten) if store.has(digest)] == [recalled, had, put_again]
    assert [path.name for path in (store.root / "results").iterdir()] == ["used.json"]
    assert store.path(had).stat().st_mtime < time.time() - 800_000, "when it was made stays as it was"


def test_nothing_is_cleaned_before_its_time_is_over(store: Store) -> None:
    digest = store.put(b"x")
    aged(store)
    assert store.clean(unused=10_800.0) == 0
    assert store.has(digest)


def test_a_result_that_is_recalled_counts_as_used(store: Store) -> None:
    """Its time lies ahead at first: on a file system mounted with relatime, reading renews one that has passed."""
    store.remember("key", {"a": 1})
    (result,) = (store.root / "results").iterdir()
    os.utime(result, (time.time() + 3600, time.time()))
    store.recall("key")
    assert result.stat().st_atime <= time.time()
