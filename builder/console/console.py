"""The serial console of a node: the story of its boot, and a root shell as a person has it.

The shell's loop is typed into whatever shell is there; its marker is sent in two halves, so that no echo can match it. Output may
have lines of the node's init in it: they are taken out where they are whole. QEMU logs all that passes: nothing secret goes here.
"""

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from pexpect import TIMEOUT

from builder.console.model import Stage
from builder.console.shell import Shell, new_token
from builder.console.speed import PREFIX, parse_stage
from builder.console.story import TOKEN, Story
from builder.console.wire import Claim, plain
from builder.deadline import Deadline
from builder.errors import CheckError

# Loop of the node's shell. A line is a command in base64, "+" and a further part of it, or "q".
_LOOP = (
    "m={head}''{tail};b=;stty sane -echo;while IFS= read -r c;do case $c in q)break;;+*)b=$b${{c#+}};continue;;esac;"
    'printf \'\\n%s begin\\n\' $m;sh -c "$(echo "$b$c"|base64 -d)" </dev/null 2>&1;'
    "printf '\\n%s end %s\\n' $m $?;b=;done;stty echo"
)

_PROMPT = r"# (?:\x1b\[6n)?\Z"
_LEFTOVER = rf"{TOKEN} end \d+\r?\n"
_KILL_LINE, _XON, _INTERRUPT, _QUIT, _END = "\x15", "\x11", "\x03", "\x1c", "\x04"

# What is tried in turn to come to a prompt, each followed by a carriage return. What a person left half typed is thrown away and
# never run; then: output that was stopped (Ctrl-S), a program or an unfinished word, vi, a pager, a terminal that vi or ctr left
# without a meaning for carriage returns, one that ignores Ctrl-C, and what reads until the end of its input.
_KEYS = (_KILL_LINE, _XON + _KILL_LINE, _INTERRUPT, "\x1b\x1b:q!", "q" + _KILL_LINE, "\n", _QUIT, _END)
_ONE_TRY = 5.0
"""Seconds for a prompt to come."""


class Console(Shell):
    """`log` is the machine's console log: what was told before this client came is taken from it. `on_stage` gets each new stage
    line, in another thread. Every wait ends with CheckError once the console shows a panic or a fatal stage.
    """

    _return = "\r"
    _interrupt = _INTERRUPT
    _nudge = _XON  # an emulated serial port may lose the interrupt that tells it to go on; any character brings the next one

    def __init__(
        self,
        path: Path,
        claim: Claim,
        *,
        log: Path | None = None,
        watch: Callable[[], str | None] = lambda: None,
        on_stage: Callable[[Stage], None] = lambda _: None,
    ) -> None:
        super().__init__(path, claim, "the console", watch)
        self._on_stage = on_stage
        self._story = Story.from_log(log)
        self._wire.start()

    # What the console tells

    def tail(self, count: int = 20) -> tuple[str, ...]:
        """The last lines that the console showed."""
        with self._wire.changed:
            return self._story.tail(count)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stage lines of this boot so far."""
        with self._wire.changed:
            return tuple(self._story.stages)

    def fault(self) -> str:
        """What the console has shown since the last boot began that no node comes back from; empty where there is nothing."""
        with self._wire.changed:
            return self._story.reason

    def degraded(self) -> str:
        """Why the node runs without its kubelet; empty where it does not, as far as it told."""
        with self._wire.changed:
            return self._story.degraded

    def forget(self) -> None:
        """Forgets stages and faults of a boot that is over. For a node that was told to reboot."""
        super().forget()
        with self._wire.changed:
            self._story = Story()

    def wait_stage(self, stage: str, deadline: Deadline, *, name: str | None = None, state: str = "ok") -> Stage:
        """The first line of that stage (and name, when given) in that state; at once when it was told before.

        It says nothing of what came after that line: see `fault`.
        """
        with self._wire.changed:
            while True:
                told = [line for line in self._story.stages if line.stage == stage and name in (None, line.name)]
                for line in told:
                    if line.state == state:
                        return line
                self._wire.check()
                if self._wire.ended:
                    raise self._error("the console has ended")
                if deadline.expired:
                    title = f"{stage} {name or ''}".strip()
                    raise self._late(f"the node did not tell the stage {title} as {state}", deadline, _last(told))
                self._wire.changed.wait(min(1.0, max(0.01, deadline.remaining)))

    # The shell

    def login(self, deadline: Deadline) -> None:
        """Comes to a root shell, whatever a person left there, and makes it ready for `run`."""
        self._token = ""
        for keys in cycle(_KEYS):
            if self._ready(keys, deadline):
                return
            if deadline.expired:
                raise self._late(
                    "no root shell on the console", deadline, why="what is there answers neither Ctrl-C nor Ctrl-D",
                    hint="see what a person left there, and end it: kubeiso shell",
                )  # fmt: skip

    def close(self) -> None:
        """Leaves the shell as it was found, and lets go of the console."""
        if self._token and not self._wire.ended:
            with suppress(CheckError):  # the machine may have ended a moment ago
                self._wire.send("q\r")
        super().close()

    # Within

    def _ready(self, keys: str, deadline: Deadline) -> bool:
        """One try: whether a prompt came up and the loop answers."""
        self._wire.skip()
        self._send(keys + "\r")
        patience = Deadline.after(min(_ONE_TRY, deadline.remaining))
        seen = self._expect([_PROMPT, _LEFTOVER, r"login: \Z", r"[Pp]assword: \Z", TIMEOUT], patience)
        if seen == 1:
            self._send("q\r\n")
        elif seen == 2:
            self._send("root\r")
        elif seen == 3:
            raise self._error("the console asks for a password", hint="only images built for tests log in by themselves")
        return seen == 0 and self._begin(deadline)

    def _begin(self, deadline: Deadline) -> bool:
        token = new_token()
        self._wire.skip()
        self._send(_LOOP.format(head=token[:8], tail=token[8:]) + "\r")
        self._token = token
        try:
            self._exchange("dmesg -n 1", Deadline.after(min(15.0, deadline.remaining)), None)
        except CheckError:
            self._token = ""
            self._wire.check()
            if self._wire.ended:
                raise
        return bool(self._token)

    def _line(self, deadline: Deadline, what: str) -> str:
        """The next line of the shell, joined again where a stage line of the node's init came in between."""
        line = ""
        while True:
            line += plain(super()._line(deadline, what))
            if not parse_stage(line):
                return line
            line = line[: line.index(PREFIX)]

    def _take(self, line: str) -> None:
        if stage := self._story.take(line):
            self._on_stage(stage)

    def _check(self) -> None:
        if reason := self._story.reason or self._watch():
            raise self._error(reason)


def _last(told: list[Stage]) -> str:
    return f"last told: {told[-1].title} {told[-1].state} {told[-1].error}".strip() if told else "it told nothing of it"
