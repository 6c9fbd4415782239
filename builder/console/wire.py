"""The byte stream of a machine's channel: read without a pause by one thread, matched by pexpect, split into lines for others."""

import codecs
import fcntl
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pexpect import EOF, TIMEOUT
from pexpect.spawnbase import SpawnBase

from builder.ecma48 import shown
from builder.errors import CheckError


def plain(text: str) -> str:
    """Text without terminal control sequences and carriage returns."""
    return shown(text).replace("\r", "")


if TYPE_CHECKING:
    Spawn = SpawnBase[str]  # generic in its type stubs only
else:
    Spawn = SpawnBase


class Wire(Spawn):
    """pexpect over a unix socket. A thread drains the socket, since a guest whose console nobody reads stands still.

    `name` is what errors call it. `on_line` gets each whole line, plain, in that thread; when it fails, the next `check` says so.
    """

    def __init__(self, path: Path, name: str, on_line: Callable[[str], None], watch: Callable[[], None]) -> None:
        super().__init__(encoding="utf-8", codec_errors="replace")
        self.changed = threading.Condition()
        self.ended = False
        self.title = name
        self._socket = _connect(path, name)
        self._on_line = on_line
        self._watch = watch
        self._failure: Exception | None = None
        self._unread: deque[str] = deque()
        self._line = ""
        self._reader = threading.Thread(target=self._drain, name=f"console {path.parent.name}", daemon=True)

    def start(self) -> None:
        self._reader.start()

    def check(self) -> None:
        """Called while something is waited for: what it raises ends the wait."""
        failure, self._failure = self._failure, None
        if failure:
            why = f"{type(failure).__name__}: {failure}"
            raise CheckError(f"a line of {self.title} could not be taken", why=why) from failure
        self._watch()

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """pexpect's own reading: what is there, `size` characters at most, for pexpect copies what it was given with each match.

        TIMEOUT and EOF as pexpect wants them.
        """
        until = time.monotonic() + (1e6 if timeout is None or timeout < 0 else timeout)
        with self.changed:
            while not self._unread:
                self.check()
                if self.ended:
                    self.flag_eof = True
                    raise EOF(f"{self.title} has ended")
                left = until - time.monotonic()
                if left <= 0:
                    raise TIMEOUT(f"nothing on {self.title}")
                self.changed.wait(min(left, 1.0))
            text = self._unread.popleft()
            if text[size:]:
                self._unread.appendleft(text[size:])
        return text[:size]

    def send(self, text: str) -> None:
        try:
            self._socket.sendall(text.encode())
        except OSError as error:
            raise CheckError(f"{self.title} can't be written to", why=str(error)) from error

    def skip(self) -> None:
        """Forgets what was read and not yet matched."""
        with self.changed:
            self._unread.clear()
        self.buffer = ""

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join(5.0)
        self._socket.close()

    def _drain(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while data := self._receive():
            self._feed(decode(data))
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except OSError:
            return b""

    def _feed(self, text: str) -> None:
        *lines, rest = text.split("\n")
        with self.changed:
            for part in lines:
                self._tell(plain(self._line + part))
                self._line = ""
            self._line += rest
            self._unread.append(text)
            self.changed.notify_all()

    def _tell(self, line: str) -> None:
        """Whatever becomes of a line, the next ones are read."""
        try:
            self._on_line(line)
        except Exception as error:
            self._failure = self._failure or error


def _connect(path: Path, name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise CheckError(f"{name} can't be reached", why=f"{path}: {error.strerror}") from error
    return connection


class Claim:
    """One program at a time on a channel: a lock on a file beside the socket, given back by the kernel when its holder dies.

    what: "console" or "control channel", as errors call it.
    """

    def __init__(self, path: Path, what: str = "console") -> None:
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text().strip()
            self._file.close()
            raise CheckError(
                f"the {what} of {path.parent.name} is in use by process {holder}", why=f"a {what} serves one client",
                hint="end that one first (a `kubeiso up`, `init`, `join` or `shell` in another terminal)",
            ) from error  # fmt: skip
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()
