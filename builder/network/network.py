"""The network of one cluster: vde_switch as a process of its own, found again and ended by its directory alone."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from builder.architecture import AMD64, Qemu
from builder.deadline import Deadline
from builder.errors import BuildError, CheckError, InputError, ToolMissing
from builder.leash import leash, unleash
from builder.machine.model import SOCKET_PATH, ClusterCard
from builder.process import Identity, Process, noted, search
from builder.progress import debug
from builder.run import Completed, run, tool
from builder.statefile import Kept, read_kept, write_kept

STATE = "switch.json"
PLUGS = 128
"""Ports of a switch."""

PATIENCE = 5.0
"""Seconds that a switch gets for each way to end it, and for its first note. Both take milliseconds on a quiet host."""

# The longest path below the directory: vde's plugs name their sockets by process (at most 4194304, proc(5)) and number.
_LONGEST = "vde/.4194304-00000"


class State(Kept):
    """What `attach` needs to find a switch again."""

    card: ClusterCard
    identity: Identity | None = None


class Switch:
    """A switch by its directory, which holds nothing else. Nothing in it reaches the host's own network."""

    def __init__(self, state: State) -> None:
        self.card = state.card
        self._process = Process.find(state.identity, str(state.card.directory)) if state.identity else None

    @classmethod
    def start(cls, directory: Path, *, qemu: Qemu = AMD64.qemu, leashed: bool = False) -> "Switch":
        """The switch that runs in that directory, else a new one. qemu: whose machines are plugged into it.

        A new one outlives this program, unless it is `leashed`. Raises InputError for too long a path, ToolMissing where the host
        has none or its QEMU can't be plugged into one, and BuildError with the switch's own words when it does not come up.
        """
        directory = directory.absolute()
        if running := _running(directory):
            return running
        _refuse(directory)
        demand(qemu)
        card = ClusterCard(directory=directory)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clean(card)
        _save(State(card=card))
        try:
            if leashed:
                leash(_pid_file(directory), directory)
            state = State(card=card, identity=_launch(card))
            _save(state)
        except BaseException:
            _end_started(card)
            raise
        switch = cls(state)
        debug(f"the cluster's network is process {switch.pid}, in {directory}")
        return switch

    @classmethod
    def attach(cls, directory: Path) -> "Switch":
        """A switch that was started before, by this program or another one; it need not run any more.

        One that runs is found whatever became of its file. Raises CheckError where there is none, and for a file that can't be
        read of a switch that has ended.
        """
        state = _load(directory)
        if state.identity is None:  # its starter was interrupted before it could write it down
            state = state.model_copy(update={"identity": noted(_pid_file(state.card.directory)) or _process_of(state.card)})
        return cls(state)

    def alive(self) -> bool:
        return self._process is not None and not self._process.ended()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def stop(self) -> str:
        """Ends the switch: "SIGTERM", "SIGKILL" or "ended before". Its sockets are gone then, its log stays."""
        how = self._end()
        unleash(_pid_file(self.card.directory))
        _clean(self.card)
        return how

    def _end(self) -> str:
        if self._process is None or self._process.ended():
            return "ended before"
        if number := self._process.end(PATIENCE):
            return number.name
        raise CheckError(f"the switch in {self.card.directory} (process {self.pid}) can't be ended")


def demand(qemu: Qemu) -> None:
    """Raises ToolMissing without vde_switch, and for a QEMU that was built without its part for it."""
    tool("vde_switch")
    if "vde" not in run([qemu.program, "-netdev", "help"]).stdout.split():
        why = f"{qemu.program} was built without -netdev vde"
        hint = "take the QEMU of Debian or Ubuntu, or build it with libvdeplug"
        raise ToolMissing("this QEMU can't be plugged into a cluster's network", why=why, hint=hint)


def switch_command(card: ClusterCard) -> list[str]:
    """The argument list of a switch. It returns once all is set up, with the switch in the background, or tells why it fails."""
    return [
        "vde_switch", "--sock", str(card.socket), "--mode", "0600", "--dirmode", "0700", "--numports", str(PLUGS),
        # Its configuration files are the host's, and could connect it to others.
        "--rcfile", os.devnull, "--pidfile", str(_pid_file(card.directory)), "--daemon",
    ]  # fmt: skip


def _load(directory: Path) -> State:
    try:
        return read_kept(directory / STATE, State, "kubeiso down removes it; kubeiso start makes another switch")
    except FileNotFoundError as error:
        lost = CheckError(f"there is no switch in {directory}", why=f"there is no {error.filename}")
    except CheckError as error:
        lost = error
    if not (state := _searched(directory.absolute())):
        raise lost
    return state


def _running(directory: Path) -> Switch | None:
    with suppress(CheckError):
        switch = Switch.attach(directory)
        return switch if switch.alive() else None
    return None


def _searched(directory: Path) -> State | None:
    """A switch that runs, without its file."""
    card = ClusterCard(directory=directory)
    identity = _process_of(card)
    return State(card=card, identity=identity) if identity else None


def _process_of(card: ClusterCard) -> Identity | None:
    """The switch itself, by the words of its command that name its directory (see switch_command)."""
    return search("--pidfile", str(_pid_file(card.directory)))


def _refuse(directory: Path) -> None:
    if len(os.fsencode(directory / _LONGEST)) > SOCKET_PATH:
        why = f"a unix socket's path has at most {SOCKET_PATH} bytes, and {directory / _LONGEST} has more"
        raise InputError("the cluster's directory has too long a name", why=why, hint="choose a shorter one")


def _launch(card: ClusterCard) -> Identity:
    done = run(switch_command(card), check=False, timeout=60)
    identity = _await_note(card, PATIENCE if done.code == 0 else 0)
    if identity is None:
        raise _dead_on_arrival(done)
    return identity


def _await_note(card: ClusterCard, seconds: float) -> Identity | None:
    """The switch writes its note some moments after its parent has ended."""
    patience = Deadline.after(seconds)
    while not (identity := noted(_pid_file(card.directory))) and not patience.expired:
        time.sleep(0.02)
    return identity


def _dead_on_arrival(done: Completed) -> BuildError:
    said = tuple((done.stderr or done.stdout).strip().splitlines()[-10:])
    return BuildError(
        "the switch of the cluster's network could not be started", why=f"it ended with exit code {done.code}",
        details=said or ("it said nothing",), hint=f"the command was: {' '.join(done.argv)}",
    )  # fmt: skip


def _end_started(card: ClusterCard) -> None:
    """Ends what an interrupted start may have left, by the process's own note."""
    Switch(State(card=card, identity=_await_note(card, 0.5))).stop()


def _pid_file(directory: Path) -> Path:
    return directory / "switch.pid"


def _clean(card: ClusterCard) -> None:
    """Removes the sockets and the note of a switch that does not run."""
    shutil.rmtree(card.socket, ignore_errors=True)
    _pid_file(card.directory).unlink(missing_ok=True)


def _save(state: State) -> None:
    write_kept(state.card.directory / STATE, state)
