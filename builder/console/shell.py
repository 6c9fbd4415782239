"""A root shell on a node: commands and files through a channel that carries lines.

Commands travel as base64 lines to a loop on the node, which prints a marker before and after each output. The marker is random,
so that no output can be taken for it. Files carry checksums.
"""

import base64
import gzip
import hashlib
import posixpath
import re
import secrets
import shlex
import time
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from math import inf
from pathlib import Path

from pexpect import EOF, TIMEOUT

from builder.console.model import Result
from builder.console.wire import Claim, Wire
from builder.deadline import Deadline
from builder.errors import CheckError, InputError

LINE = 3600
"""Characters of one line to the node. A terminal in canonical mode takes 4095 (termios(3))."""

LONGEST = 48 << 10
"""Characters of one command: the kernel keeps up to 64 KiB of unread input of a terminal."""

_PART = 24 << 10
"""Bytes of a file in one command: base64 within base64, it has to stay under LONGEST."""

_RETRIES = 5

SILENCE = 15.0
"""Seconds. kubeadm is silent for minutes where a machine is slow, so that silence alone means nothing."""


class Shell(ABC):
    """The one client of a channel's socket, which `claim` keeps others from; `close` gives it back.

    `watch` returns why the node can't go on, or None; it is asked about once a second while something is waited for, and every
    wait ends with CheckError once it has a reason. `name` is what errors call the channel.
    """

    _return = "\n"
    """What ends a line to the node."""
    _interrupt = ""
    """What ends a command that is late."""
    _nudge = ""
    """What a terminal swallows, and goes on by where its output stands still; sent after every SILENCE of a command."""

    def __init__(self, path: Path, claim: Claim, name: str, watch: Callable[[], str | None]) -> None:
        self._claim = claim
        self._watch = watch
        self._token = ""
        self._lines: deque[str] = deque(maxlen=400)
        self._wire = Wire(path, name, self._take, self._check)

    @abstractmethod
    def login(self, deadline: Deadline) -> None:
        """Makes the shell ready for `run`. Raises CheckError when it does not come."""

    def tail(self, count: int = 20) -> tuple[str, ...]:
        """The last lines that came."""
        with self._wire.changed:
            return tuple(list(self._lines)[-count:])

    def forget(self) -> None:
        """For a node that was told to reboot: the shell that was is no more."""
        self._token = ""

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Result:
        """Runs a shell command on the node. `on_output` gets each line of its output at once.

        Raises CheckError when it has not ended by the deadline (it is interrupted then), never for its exit code.
        """
        if not self._token:
            self.login(deadline)
        try:
            return self._exchange(command, deadline, on_output)
        except CheckError:
            self._token = ""
            raise

    def read_file(self, path: str, deadline: Deadline) -> bytes:
        """A file of the node. Each part's checksum is compared; a part that was disturbed is read again."""
        content, part = b"", 128 << 10
        while True:
            data = self._part(path, len(content) // part, part, deadline)
            content += data
            if len(data) < part:
                return content

    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None:
        """Writes a file of the node beside its place, compares its checksum, and renames it. Meant for megabytes at the most."""
        folder, target, aside = (shlex.quote(name) for name in (posixpath.dirname(path) or ".", path, path + ".part"))
        expected = hashlib.sha256(data).hexdigest()
        for _ in range(_RETRIES):
            self._succeed(f"mkdir -p {folder} && (umask 077; : >{aside})", deadline)
            for at in range(0, len(data), _PART):
                encoded = base64.b64encode(data[at : at + _PART]).decode()
                self._succeed(f"echo {encoded}|base64 -d >>{aside}", deadline)
            if expected in self._succeed(f"sha256sum {aside}", deadline):
                self._succeed(f"chmod {mode:o} {aside} && mv {aside} {target}", deadline)
                return
        raise self._error(f"{path} could not be written to the node", why="its checksum differed each time")

    def close(self) -> None:
        """Lets go of the channel."""
        self._wire.close()
        self._claim.release()

    # Within

    def _exchange(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None) -> Result:
        encoded = base64.b64encode(command.encode()).decode()
        if len(encoded) > LONGEST:
            raise InputError(f"the command is too long for {self._wire.title}", hint="write it to a file and run that")
        *parts, last = [encoded[at : at + LINE] for at in range(0, len(encoded), LINE)] or [""]
        self._wire.skip()
        self._send("".join(f"+{part}{self._return}" for part in parts) + last + self._return)
        return self._output(command, deadline, on_output or (lambda _: None))

    def _output(self, command: str, deadline: Deadline, on_output: Callable[[str], None]) -> Result:
        begin, end = f"{self._token} begin", re.compile(rf"{self._token} end (\d+)$")
        while not self._line(deadline, "the shell does not answer").endswith(begin):
            pass
        lines: list[str] = []
        blank = 0
        while True:
            line = self._line(deadline, f"the command did not end: {_short(command)}")
            if found := end.search(line):
                text = "\n".join(lines)
                # The loop prints a newline of its own before its marker.
                return Result(int(found[1]), text + "\n" * (blank - 1 + bool(lines)) if blank else text)
            if not line:
                blank += 1
                continue
            for whole in [""] * blank + [line]:
                lines.append(whole)
                on_output(whole)
            blank = 0

    def _line(self, deadline: Deadline, what: str) -> str:
        """The next line of the shell."""
        while self._expect(["\n", TIMEOUT], deadline, SILENCE):
            if deadline.remaining <= 0:
                self._send(self._interrupt)
                raise self._late(what, deadline)
            self._send(self._nudge)
        return self._wire.before or ""

    def _part(self, path: str, index: int, size: int, deadline: Deadline) -> bytes:
        read = f"dd if={shlex.quote(path)} bs={size} skip={index} count=1 2>/dev/null"
        command = f"test -r {shlex.quote(path)} && {read}|sha256sum && {read}|gzip -c|base64"
        for _ in range(_RETRIES):
            checksum, _, encoded = self._succeed(command, deadline).partition("\n")
            try:
                data = gzip.decompress(base64.b64decode("".join(encoded.split()), validate=True))
            except (ValueError, OSError, EOFError, zlib.error):
                continue
            if hashlib.sha256(data).hexdigest() == checksum[:64]:
                return data
        raise self._error(f"{path} could not be read from the node", why="its checksum differed each time")

    def _succeed(self, command: str, deadline: Deadline) -> str:
        result = self.run(command, deadline)
        if result.code != 0:
            last = tuple(result.output.splitlines()[-5:])
            raise CheckError(f"on the node, this ended with exit code {result.code}: {_short(command)}", details=last)
        return result.output

    def _expect(self, patterns: list[str | type[TIMEOUT]], deadline: Deadline, at_most: float = inf) -> int:
        try:
            return self._wire.expect([*patterns], timeout=min(at_most, max(0.05, deadline.remaining)))
        except EOF:
            raise self._error(f"{self._wire.title} has ended") from None

    def _send(self, text: str) -> None:
        try:
            self._wire.send(text)
        except CheckError as error:
            raise CheckError(self._last_words() or error.what, why=error.why, details=self.tail()) from error

    def _take(self, line: str) -> None:
        """A whole line, plain, in the reader's thread, which holds the wire's lock."""
        self._lines.append(line)

    def _check(self) -> None:
        if reason := self._watch():
            raise self._error(reason)

    def _error(self, what: str, *, why: str = "", hint: str = "") -> CheckError:
        reason = self._last_words() if self._wire.ended else None
        return CheckError(reason or what, why=why, hint=hint, details=self.tail())

    def _last_words(self) -> str | None:
        """Why the channel ended. A process that dies closes its sockets a moment before it has ended."""
        patience = Deadline.after(5.0)
        while not (reason := self._watch()) and not patience.expired:
            time.sleep(0.1)
        return reason

    def _late(self, what: str, deadline: Deadline, why: str = "", hint: str = "") -> CheckError:
        return self._error(f"{what} within {deadline.seconds:.0f} s", why=why, hint=hint)


def new_token() -> str:
    """What marks one session's outputs: 16 hexadecimal digits (story.TOKEN)."""
    return secrets.token_hex(8)


def _short(command: str) -> str:
    return command if len(command) <= 120 else command[:117] + "..."
