"""The download: what it brings, what it refuses, and how it goes on after a fault."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime, localtime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from component_samples import Server, answer, blobs, closed_port, on_small_disk

from builder import download
from builder.download import NoAnswer, NotThere, Remote, fetch
from builder.errors import BuildError, InputError
from builder.store import Store, sha256

CONTENT = random.Random(1).randbytes(300_000)
DIGEST = sha256(CONTENT)
SCRIPT = """
import sys
from pathlib import Path
from builder.download import Remote, fetch
from builder.store import Store
fetch(Remote(sys.argv[1], sys.argv[2], int(sys.argv[3])), Store(Path(sys.argv[4])))
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"/file": CONTENT}).running() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def part(store: Store) -> Path:
    return store.scratch("downloads") / f"{DIGEST.removeprefix('sha256:')}.part"


def script(server: Server, store: Store) -> list[str]:
    return [sys.executable, "-c", SCRIPT, f"{server.url}/file", DIGEST, str(len(CONTENT)), str(store.root)]


def test_brings_the_file_and_tells_its_bytes(server: Server, store: Store) -> None:
    told: list[int] = []
    assert fetch(Remote(f"{server.url}/file", DIGEST, len(CONTENT)), store, moved=told.append) == DIGEST
    assert store.read(DIGEST) == CONTENT
    assert sum(told) == len(CONTENT) and len(told) > 2
    assert not part(store).exists()


def test_what_is_in_the_store_is_not_asked_for(server: Server, store: Store) -> None:
    store.put(CONTENT)
    fetch(Remote(f"{server.url}/file", DIGEST), store)
    assert server.asked == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_another_checksum_is_refused(server: Server, store: Store, size: int | None) -> None:
    server.files["/file"] = CONTENT[:-1] + b"x"
    with pytest.raises(BuildError, match="was not taken") as raised:
        fetch(Remote(f"{server.url}/file", DIGEST, size), store)
    assert DIGEST in raised.value.why and raised.value.exit_code == 4
    assert blobs(store) == [] and not part(store).exists()
    assert len(server.asked) == 1


def test_a_file_that_is_too_long_is_not_read_to_its_end(server: Server, store: Store) -> None:
    server.files["/file"] = CONTENT * 20
    with pytest.raises(BuildError, match="bytes instead of 300000") as raised:
        fetch(Remote(f"{server.url}/file", DIGEST, len(CONTENT)), store)
    assert int(raised.value.why.rpartition("; ")[2].split()[0]) < 2 * len(CONTENT)
    assert blobs(store) == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_goes_on_where_an_earlier_run_stopped(server: Server, store: Store, size: int | None) -> None:
    part(store).write_bytes(CONTENT[:100_000])
    told: list[int] = []
    fetch(Remote(f"{server.url}/file", DIGEST, size), store, moved=told.append)
    assert server.ranges == ["bytes=100000-"]
    assert store.read(DIGEST) == CONTENT and sum(told) == len(CONTENT)


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_whole_part_is_taken(server: Server, store: Store, size: int | None) -> None:
    part(store).write_bytes(CONTENT)
    fetch(Remote(f"{server.url}/file", DIGEST, size), store)
    assert store.read(DIGEST) == CONTENT
    assert len(server.asked) == (0 if size else 1)


@pytest.mark.parametrize("wrong", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_a_wrong_part_is_fetched_anew(server: Server, store: Store, wrong: bytes) -> None:
    part(store).write_bytes(wrong)
    told: list[int] = []
    fetch(Remote(f"{server.url}/file", DIGEST, len(CONTENT)), store, moved=told.append)
    assert store.read(DIGEST) == CONTENT and sum(told) == len(CONTENT)


def test_a_source_without_ranges_sends_all_again(server: Server, store: Store) -> None:
    def whole(handler: BaseHTTPRequestHandler, _nth: int) -> bool:
        del handler.headers["Range"]
        return False

    server.before = whole
    part(store).write_bytes(CONTENT[:1000])
    fetch(Remote(f"{server.url}/file", DIGEST, len(CONTENT)), store)
    assert store.read(DIGEST) == CONTENT


def test_a_broken_connection_is_resumed(server: Server, store: Store) -> None:
    def cut_once(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            answer(handler, CONTENT, cut=120_000)
        return nth == 1

    server.before = cut_once
    fetch(Remote(f"{server.url}/file", DIGEST), store)
    assert store.read(DIGEST) == CONTENT
    assert server.ranges == [None, "bytes=120000-"]


def test_a_state_that_passes_is_waited_out(server: Server, store: Store) -> None:
    def busy(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth < 3:
            handler.send_error(503)
        return nth < 3

    server.before = busy
    fetch(Remote(f"{server.url}/file", DIGEST), store)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("3600", 60, 60), ("", 0, 1), ("soon", 0, 1), ("-5", 0, 1), ("in an hour", 60, 60)],
)
def test_a_source_that_says_when_is_taken_at_its_word(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch, header: str, least: float, most: float
) -> None:
    def busy(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            handler.send_response(429)
            handler.send_header("Retry-After", date if header == "in an hour" else header)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        return nth == 1

    date = format_datetime(localtime() + timedelta(hours=1))
    slept: list[float] = []
    monkeypatch.setattr("builder.download.time.sleep", slept.append)
    server.before = busy
    fetch(Remote(f"{server.url}/file", DIGEST), store)
    assert len(slept) == 1 and least <= slept[0] <= most


def test_a_missing_file_is_not_asked_for_twice(server: Server, store: Store) -> None:
    with pytest.raises(NotThere, match="answered 404") as raised:
        fetch(Remote(f"{server.url}/other", DIGEST, title="the other"), store)
    assert raised.value.what == "the other could not be fetched" and f"{server.url}/other" in raised.value.details
    assert len(server.asked) == 1


def test_a_source_that_does_not_answer(store: Store) -> None:
    with pytest.raises(NoAnswer, match=r"refused.*3 attempts") as raised:
        fetch(Remote(f"{closed_port()}/file", DIGEST), store, attempts=3)
    assert "http_proxy" in raised.value.hint


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/file", "/etc/passwd"])
def test_only_http(store: Store, url: str) -> None:
    with pytest.raises(InputError, match="not an HTTP"):
        fetch(Remote(url, DIGEST), store)


def test_goes_through_the_proxy_in_the_environment(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["http://archive.test/file"] = CONTENT
    monkeypatch.setenv("http_proxy", server.url)
    fetch(Remote("http://archive.test/file", DIGEST), store)
    assert server.asked == ["http://archive.test/file"]


def test_two_at_once_fetch_once(server: Server, store: Store) -> None:
    remote = Remote(f"{server.url}/file", DIGEST)
    with ThreadPoolExecutor(4) as pool:
        assert {future.result() for future in [pool.submit(fetch, remote, store) for _ in range(4)]} == {DIGEST}
    assert len(server.asked) == 1


def test_a_killed_run_is_gone_on_with(server: Server, store: Store) -> None:
    sent, hold = threading.Event(), threading.Event()

    def stall(handler: BaseHTTPRequestHandler, nth: int) -> bool:
        if nth == 1:
            answer(handler, CONTENT, cut=200_000)
            handler.wfile.flush()
            sent.set()
            hold.wait(20)
        return nth == 1

    server.before = stall
    process = subprocess.Popen(script(server, store))
    assert sent.wait(20)
    while not part(store).exists() or part(store).stat().st_size < 100_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    hold.set()
    assert blobs(store) == []
    subprocess.run(script(server, store), check=True)
    assert store.read(DIGEST) == CONTENT
    assert int((server.ranges[1] or "").removeprefix("bytes=").rstrip("-")) >= 100_000


def test_a_full_disk_is_told(server: Server, store: Store) -> None:
    server.files["/file"] = CONTENT * 10
    command = [*script(server, store)[:4], sha256(CONTENT * 10), str(10 * len(CONTENT)), str(store.root)]
    done = on_small_disk(store.root, 1, command, os.environ)
    assert done.returncode == 1
    assert f"the disk that holds {store.root} is full" in done.stderr and "KUBEISO_CACHE" in done.stderr
