"""The serial console of a node: its stage lines, its root shell, commands and files through that shell.

Commands travel as base64 lines to a loop in the node's shell, which prints a marker before and after each output. The marker is
random and is sent in two halves, so that no echo can match it. Output may have lines of the node's init in it: they are taken out
where they are whole, and files carry checksums.
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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pexpect import EOF, TIMEOUT

from builder.console.model import Result, Stage
from builder.console.speed import PREFIX, parse_stage
from builder.console.story import TOKEN, Story
from builder.console.wire import Claim, Wire, plain
from builder.deadline import Deadline
from builder.errors import CheckError, InputError

LINE = 3600
"""Characters of one line to the node. A terminal in canonical mode takes 4095 (termios(3))."""

LONGEST = 48 << 10
"""Characters of one command: the kernel keeps up to 64 KiB of unread input of a terminal."""

# Loop of the node's shell. A line is a command in base64, "+" and a further part of it, or "q".
_LOOP = (
    "m={head}''{tail};b=;stty -echo;while IFS= read -r c;do case $c in q)break;;+*)b=$b${{c#+}};continue;;esac;"
    'printf \'\\n%s begin\\n\' $m;sh -c "$(echo "$b$c"|base64 -d)" </dev/null 2>&1;'
    "printf '\\n%s end %s\\n' $m $?;b=;done;stty echo"
)

_PROMPT = r"# (?:\x1b\[6n)?\Z"
_LEFTOVER = rf"{TOKEN} end \d+\r?\n"
_INTERRUPT = "\x03"
_RETRIES = 5


class Console:
    """The one client of a machine's console socket, which `claim` keeps others from; `close` gives it back.

    `log` is the machine's console log: what was told before this client came is taken from it. `watch` returns why the machine
    can't go on, or None; it is asked about once a second while something is waited for. `on_stage` gets each new stage line, in
    another thread. Every wait ends with CheckError once the console shows a panic or a fatal stage, or `watch` has a reason.
    """

    def __init__(
        self,
        path: Path,
        claim: Claim,
        *,
        log: Path | None = None,
        watch: Callable[[], str | None] = lambda: None,
        on_stage: Callable[[Stage], None] = lambda _: None,
    ) -> None:
        self._claim = claim
        self._watch = watch
        self._on_stage = on_stage
        self._token = ""
        self._wire = Wire(path, self._take, self._check)
        self._story = Story.from_log(log)
        self._wire.start()

    # What the console tells

    def tail(self, count: int = 20) -> tuple[str, ...]:
        """The last lines that the console showed."""
        return self._story.tail(count)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stage lines of this boot so far."""
        with self._wire.changed:
            return tuple(self._story.stages)

    def forget(self) -> None:
        """Forgets stages and panics of a boot that is over. For a node that was told to reboot."""
        with self._wire.changed:
            self._story, self._token = Story(), ""

    def wait_stage(self, stage: str, deadline: Deadline, *, name: str | None = None, state: str = "ok") -> Stage:
        """The first line of that stage (and name, when given) in that state; at once when it was told before."""
        with self._wire.changed:
            while True:
                told = [line for line in self._story.stages if line.stage == stage and name in (None, line.name)]
                for line in told:
                    if line.state == state:
                        return line
                self._check()
                if self._wire.ended:
                    raise self._error("the console has ended")
                if deadline.expired:
                    title = f"{stage} {name or ''}".strip()
                    raise self._late(f"the node did not tell the stage {title} as {state}", deadline, _last(told))
                self._wire.changed.wait(min(1.0, max(0.01, deadline.remaining)))

    # The shell

    def login(self, deadline: Deadline) -> None:
        """Comes to a root shell and makes it ready for `run`: sends carriage returns until a prompt shows."""
        self._token = ""
        while not self._ready(deadline):
            if deadline.expired:
                raise self._late("no root shell on the console", deadline, hint="does something else run on it? kubeiso shell")

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
        """Writes a file of the node beside its place, compares its checksum, and renames it. Meant for kilobytes."""
        folder, target, aside = (shlex.quote(name) for name in (posixpath.dirname(path) or ".", path, path + ".part"))
        expected = hashlib.sha256(data).hexdigest()
        for _ in range(_RETRIES):
            self._succeed(f"mkdir -p {folder} && (umask 077; : >{aside})", deadline)
            for at in range(0, len(data), 1800):
                encoded = base64.b64encode(data[at : at + 1800]).decode()
                self._succeed(f"echo {encoded}|base64 -d >>{aside}", deadline)
            if expected in self._succeed(f"sha256sum {aside}", deadline):
                self._succeed(f"chmod {mode:o} {aside} && mv {aside} {target}", deadline)
                return
        raise self._error(f"{path} could not be written to the node", why="its checksum differed each time")

    def close(self) -> None:
        """Leaves the shell as it was found, and lets go of the console."""
        if self._token and not self._wire.ended:
            with suppress(CheckError):  # the machine may have ended a moment ago
                self._wire.send("q\r")
        self._wire.close()
        self._claim.release()

    # Within

    def _ready(self, deadline: Deadline) -> bool:
        """One try: whether a prompt came up and the loop answers."""
        self._wire.skip()
        self._send("\r")
        seen = self._expect(
            [_PROMPT, _LEFTOVER, r"login: \Z", r"[Pp]assword: \Z", TIMEOUT], Deadline.after(min(5.0, deadline.remaining))
        )
        if seen == 1:
            self._send("q\r")
        elif seen == 2:
            self._send("root\r")
        elif seen == 3:
            raise self._error("the console asks for a password", hint="only images built for tests log in by themselves")
        elif seen == 4 and self._story.busy:
            self._send(_INTERRUPT)
        return seen == 0 and self._begin(deadline)

    def _begin(self, deadline: Deadline) -> bool:
        token = secrets.token_hex(8)
        self._wire.skip()
        self._send(_LOOP.format(head=token[:8], tail=token[8:]) + "\r")
        self._token = token
        try:
            self._exchange("dmesg -n 1", Deadline.after(min(15.0, deadline.remaining)), None)
        except CheckError:
            self._token = ""
            self._check()
            if self._wire.ended:
                raise
        return bool(self._token)

    def _exchange(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None) -> Result:
        encoded = base64.b64encode(command.encode()).decode()
        if len(encoded) > LONGEST:
            raise InputError("the command is too long for a console", hint="write it to a file and run that")
        *parts, last = [encoded[at : at + LINE] for at in range(0, len(encoded), LINE)] or [""]
        self._wire.skip()
        self._send("".join(f"+{part}\r" for part in parts) + last + "\r")
        return self._output(command, deadline, on_output or (lambda _: None))

    def _output(self, command: str, deadline: Deadline, on_output: Callable[[str], None]) -> Result:
        begin, end = f"{self._token} begin", re.compile(rf"{self._token} end (\d+)$")
        while not self._line(deadline, "the shell does not answer").endswith(begin):
            pass
        text, blank = "", 0
        while True:
            line = self._line(deadline, f"the command did not end: {_short(command)}")
            if found := end.search(line):
                # The loop prints a newline of its own before its marker.
                return Result(int(found[1]), text + "\n" * (blank - 1) if blank else text.removesuffix("\n"))
            if not line:
                blank += 1
                continue
            for whole in [""] * blank + [line]:
                text += whole + "\n"
                on_output(whole)
            blank = 0

    def _line(self, deadline: Deadline, what: str) -> str:
        """The next line of the shell, joined again where a stage line of the node's init came in between."""
        line = ""
        while True:
            if self._expect(["\n", TIMEOUT], deadline):
                self._send(_INTERRUPT)
                raise self._late(what, deadline)
            line += plain(self._wire.before or "")
            if not parse_stage(line):
                return line
            line = line[: line.index(PREFIX)]

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

    def _expect(self, patterns: list[str | type[TIMEOUT]], deadline: Deadline) -> int:
        try:
            return self._wire.expect([*patterns], timeout=max(0.05, deadline.remaining))
        except EOF:
            raise self._error("the console has ended") from None

    def _send(self, text: str) -> None:
        try:
            self._wire.send(text)
        except CheckError as error:
            raise CheckError(self._last_words() or error.what, why=error.why, details=self.tail()) from error

    def _take(self, line: str) -> None:
        """A line of the console, in the reader's thread."""
        if stage := self._story.take(line):
            self._on_stage(stage)

    def _check(self) -> None:
        if reason := self._story.reason or self._watch():
            raise self._error(reason)

    def _error(self, what: str, *, why: str = "", hint: str = "") -> CheckError:
        reason = self._last_words() if self._wire.ended else None
        return CheckError(reason or what, why=why, hint=hint, details=self.tail())

    def _last_words(self) -> str | None:
        """Why the console ended. A process that dies closes its sockets a moment before it has ended."""
        patience = Deadline.after(5.0)
        while not (reason := self._watch()) and not patience.expired:
            time.sleep(0.1)
        return reason

    def _late(self, what: str, deadline: Deadline, why: str = "", hint: str = "") -> CheckError:
        return self._error(f"{what} within {deadline.seconds:.0f} s", why=why, hint=hint)


def _last(told: list[Stage]) -> str:
    return f"last told: {told[-1].title} {told[-1].state} {told[-1].error}".strip() if told else "it told nothing of it"


def _short(command: str) -> str:
    return command if len(command) <= 120 else command[:117] + "..."
