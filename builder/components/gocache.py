"""Go's build cache, kept compressed: what Go compiled takes about a quarter of its room, and is unpacked as it is asked for.

The go command starts it and talks to it on its standard input and output (GOCACHEPROG; `go doc cmd/go/internal/cacheprog`
has the protocol): a request is one line of JSON; that of a `put` is followed by the content, as a string of JSON in base64.
It runs by itself, apart from the rest of builder/, with `python -I`.

In the cache, ab/abcd...-a names the output of an action, its size in bytes and its time in nanoseconds; cd/cdef...-d is an
output, a zstd frame with its size and checksum. The names are those of Go's own cache, by the hash of action and content.
"""

import base64
import binascii
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

import zstandard

LEVEL = 1
LINE = re.compile(r"([0-9a-f]{64}) ([0-9]+) ([0-9]+)\n")
COMMANDS = ["get", "put", "close"]
REFRESH = 3600.0
"""Seconds; as in Go's own cache, an entry's time of last use is no more exact than this."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Cache:
    """`kept` is the cache; `plain` a folder of this build, in which Go finds the outputs that it reads."""

    kept: Path
    plain: Path

    def get(self, action: str) -> Answer:
        """What Go is told of an action's output; a miss for one that is not there, or is damaged."""
        entry = self._entry(action, "a")
        try:
            line = LINE.fullmatch(entry.read_text())
            if line is None:
                return {"Miss": True}
            output, size, made = line[1], int(line[2]), int(line[3])
            path = self._unpacked(output, size)
        except (OSError, UnicodeDecodeError):
            return {"Miss": True}
        _used(entry)
        _used(self._entry(output, "d"))
        return {"OutputID": _base64(output), "Size": size, "Time": _time(made), "DiskPath": str(path)}

    def put(self, action: str, output: str, content: bytes) -> Answer:
        """Keeps an output. Raises OSError for a full disk; then Go builds on, with what it has."""
        path = self.plain / output
        if not path.exists():
            _write(path, content)
        kept = self._entry(output, "d")
        if not kept.exists():
            _write(kept, zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(content))
        _write(self._entry(action, "a"), f"{output} {len(content)} {time.time_ns()}\n".encode())
        return {"DiskPath": str(path)}

    def _entry(self, name: str, kind: str) -> Path:
        return self.kept / name[:2] / f"{name}-{kind}"

    def _unpacked(self, output: str, size: int) -> Path:
        path = self.plain / output
        if not path.exists():
            _write(path, self._kept(output, size))
        return path

    def _kept(self, output: str, size: int) -> bytes:
        """Raises OSError for an output that is not there. A damaged one is removed, so that the next `put` keeps it anew."""
        entry = self._entry(output, "d")
        with suppress(zstandard.ZstdError):
            content = zstandard.ZstdDecompressor().decompress(entry.read_bytes())
            if len(content) == size:
                return content
        entry.unlink(missing_ok=True)
        raise FileNotFoundError(entry)


def _write(path: Path, content: bytes) -> None:
    """Made aside and renamed: who is killed leaves no half of a file under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink()
        raise


def _used(path: Path) -> None:
    with suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime > REFRESH:
            os.utime(path)


def _time(nanoseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(nanoseconds / 1e9))


def _hex(given: str) -> str:
    return base64.b64decode(given).hex()


def _base64(name: str) -> str:
    return base64.b64encode(bytes.fromhex(name)).decode()


@dataclass(frozen=True)
class Conversation:
    """One go command's requests, answered side by side and in no order, as the protocol allows."""

    cache: Cache
    asked: IO[bytes]
    answered: IO[bytes]
    speaking: Lock

    def hold(self) -> None:
        """Returns when Go closes it, or is gone."""
        self._say({"ID": 0, "KnownCommands": COMMANDS})
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for request in iter(self._request, None):
                pool.submit(self._answer, *self._heard(request))
                if request["Command"] == "close":
                    break

    def _request(self) -> dict[str, Any] | None:
        while line := self.asked.readline():
            if not line.isspace():
                return cast(dict[str, Any], json.loads(line))
        return None

    def _heard(self, request: dict[str, Any]) -> tuple[int, Callable[[], Answer]]:
        """The request's number and the work that it asks for; the content of a `put` is read here, since it follows at once."""
        number, command = request["ID"], request["Command"]
        if command == "get":
            return number, lambda: self.cache.get(_hex(request["ActionID"]))
        if command == "put":
            content = self._content() if request.get("BodySize") else b""
            return number, lambda: self.cache.put(_hex(request["ActionID"]), _hex(request["OutputID"]), content)
        return number, dict

    def _content(self) -> bytes:
        line = self.asked.readline()
        while line.isspace():
            line = self.asked.readline()
        return binascii.a2b_base64(line.strip(b'"\n'))

    def _answer(self, number: int, work: Callable[[], Answer]) -> None:
        try:
            answer = work()
        except Exception as error:  # whatever it is, Go waits for an answer
            answer = {"Err": f"{type(error).__name__}: {error}"}
        self._say({"ID": number, **answer})

    def _say(self, answer: Answer) -> None:
        with self.speaking, suppress(BrokenPipeError):
            self.answered.write(json.dumps(answer).encode() + b"\n")
            self.answered.flush()


def main(kept: str, plain: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Go, which hears it too, closes the conversation
    Conversation(Cache(Path(kept), Path(plain)), sys.stdin.buffer, sys.stdout.buffer, Lock()).hold()


if __name__ == "__main__":
    main(*sys.argv[1:])
