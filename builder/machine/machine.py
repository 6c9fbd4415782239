"""A virtual machine that runs: started, found again from its directory alone, watched, and ended."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from builder.console.console import Console
from builder.console.control import Control
from builder.console.model import Stage
from builder.console.story import separate
from builder.console.wire import Claim
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.frozen import Frozen
from builder.leash import leash, unleash
from builder.machine.diagnose import diagnose
from builder.machine.launch import last_words, launch, prepare
from builder.machine.model import PID_FILE, Acceleration, MachineSpec
from builder.machine.pace import pace
from builder.machine.qemu import CONSOLE, CONTROL
from builder.machine.qmp import Qmp
from builder.process import Identity, Process, noted, search
from builder.progress import debug, warn
from builder.statefile import Kept, read_kept, write_kept

STATE = "machine.json"

_DAMAGED = "kubeiso down removes what is left of the machine; kubeiso start makes the file anew"

PATIENCE = 10.0
"""Seconds that QEMU gets for each way to end it, once the guest's own time is over."""

# What SeaBIOS writes to its log when nothing that is attached can be booted.
_NO_BOOT = "No bootable device"


class State(Kept):
    """What `attach` needs to find a machine again."""

    spec: MachineSpec
    identity: Identity | None = None


class Ending(Frozen):
    """How a machine came to its end: "powerdown", "quit", "SIGTERM", "SIGKILL" or "ended before"; and QEMU's own reason."""

    how: str
    reason: str = ""


class Machine:
    """A machine by its directory. All methods but `console` and `shell` work for any number of programs at once."""

    def __init__(self, state: State) -> None:
        self.spec = state.spec
        self._process = Process.find(state.identity, str(state.spec.directory)) if state.identity else None
        self._console: Console | None = None
        self._control: Control | None = None

    @classmethod
    def start(cls, spec: MachineSpec, *, leashed: bool = False, on_stage: Callable[[Stage], None] | None = None) -> "Machine":
        """Starts a machine; its console is read from the first byte.

        It outlives this program, unless it is `leashed`. Raises InputError, ToolMissing, or BuildError with QEMU's own words.
        """
        spec = spec.absolute()
        if _runs(spec.directory):
            raise CheckError(f"the machine {spec.name} runs already", hint="end it first: kubeiso down")
        prepare(spec)
        _save(State(spec=spec))
        try:
            if leashed:
                leash(spec.pid_file, spec.directory)
            state = State(spec=spec, identity=launch(spec))
            _save(state)
        except BaseException:
            unleash(spec.pid_file)
            raise
        machine = cls(state)
        try:
            machine._begin(on_stage or (lambda _: None))
        except BaseException:
            machine.stop(grace=0)
            raise
        return machine

    @classmethod
    def attach(cls, directory: Path) -> "Machine":
        """A machine that was started before, by this program or another one; it need not run any more.

        One that runs is found whatever became of its file. Raises CheckError where there is none, and for a file that can't be
        read of a machine that has ended.
        """
        state = _load(directory)
        if state.identity is None:  # its starter was interrupted before it could write it down
            state = state.model_copy(update={"identity": noted(state.spec.pid_file) or _process_of(directory)})
        return cls(state)

    def alive(self) -> bool:
        return self._process is not None and not self._process.ended()

    @property
    def scale(self) -> float:
        """How many times slower than native speed the guest is, by what it told at its last start."""
        return pace(self.spec.console_log, self.spec.acceleration)

    def within(self, seconds: float) -> Deadline:
        """A deadline for something on this machine; `seconds` is for native speed."""
        return Deadline.after(seconds, scale=self.scale)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def obituary(self) -> str | None:
        """Why the machine can't go on; None while it can."""
        if not self.alive():
            said = last_words(self.spec, 3) or ("without a word: powered off, or killed",)
            return f"QEMU of {self.spec.name} has ended: {' / '.join(said)}"
        with suppress(FileNotFoundError):
            if _NO_BOOT in self.spec.firmware_log.read_text(errors="replace")[-500:]:
                return f"the firmware found nothing to boot from on {self.spec.medium.name}"
        return None

    def console(self, on_stage: Callable[[Stage], None] | None = None) -> Console:
        """The console, connected at the first call. Raises CheckError where another program holds it."""
        if self._console is None:
            claim = Claim(self.spec.console_lock)
            try:
                self._refuse_stranger(CONSOLE, self.spec.console_socket)
                self._console = Console(
                    self.spec.console_socket, claim,
                    log=self.spec.console_log, watch=self.obituary, on_stage=on_stage or (lambda _: None),
                )  # fmt: skip
            except BaseException:
                claim.release()
                raise
        return self._console

    def shell(self) -> Control:
        """kubeiso's own line into the node, connected at the first call: for its questions, its files and all that is secret.

        Raises CheckError where another program holds it, and where the machine has none.
        """
        if self._control is None:
            self._refuse_older()
            claim = Claim(self.spec.control_lock, "control channel")
            try:
                self._refuse_stranger(CONTROL, self.spec.control_socket)
                self._control = Control(self.spec.control_socket, claim, watch=self._trouble)
            except BaseException:
                claim.release()
                raise
        return self._control

    def qmp(self, timeout: float = 30.0) -> Qmp:
        """A connection to QMP. QEMU serves one at a time; a second one waits at most `timeout` seconds."""
        if not self.alive():
            raise CheckError(self.obituary() or "QEMU has ended")
        return Qmp(self.spec.qmp_socket, timeout)

    def wait_ended(self, deadline: Deadline) -> None:
        """Waits until QEMU has ended, as after a power-off within the guest."""
        if self._process and not self._process.ended(deadline.remaining):
            raise CheckError(f"the machine {self.spec.name} still runs after {deadline.seconds:.0f} s")

    def stop(self, grace: float = 30.0) -> Ending:
        """Ends the machine: the power button and `grace` seconds, then QMP's quit, SIGTERM, SIGKILL. Nothing is left running."""
        try:
            return self._end(grace)
        finally:
            self.close()
            unleash(self.spec.pid_file)
            for left in (*self.spec.sockets, self.spec.pid_file):
                left.unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the console and of the control channel; the machine runs on."""
        for channel in (self._control, self._console):
            if channel:
                channel.close()
        self._control = self._console = None

    def diagnose(self) -> dict[str, bytes | str]:
        """What can be said of the machine from outside, by file name. Never raises; the console stays with who holds it."""
        state = self.obituary() or f"process {self.pid} runs"
        return diagnose(self.spec, state, (lambda: self.qmp(timeout=10.0)) if self.alive() else None)

    def screendump(self, path: Path) -> None:
        """Writes the screen as a PNG file."""
        with self.qmp() as qmp:
            qmp.screendump(path)

    def reset(self) -> None:
        """As the reset button; the console forgets what it told of the boot before."""
        with self.qmp() as qmp:
            qmp.execute("stop")  # what it still tells is of the start before
            separate(self.spec.console_log, self.spec.name)
            qmp.execute("system_reset")
            qmp.execute("cont")
        self.console().forget()
        if self._control:
            self._control.forget()

    def set_link(self, name: str, up: bool) -> None:
        """Pulls the cable of a NIC ("access" or "cluster", see qemu.py), or puts it back; the guest sees its carrier go and come.

        It lasts until the machine is started again. Raises CheckError for a NIC that the machine does not have.
        """
        with self.qmp() as qmp:
            qmp.set_link(name, up=up)

    def pause(self) -> None:
        """Holds the guest's processors until `resume`."""
        with self.qmp() as qmp:
            qmp.execute("stop")

    def resume(self) -> None:
        with self.qmp() as qmp:
            qmp.execute("cont")

    # Within

    def _begin(self, on_stage: Callable[[Stage], None]) -> None:
        separate(self.spec.console_log, self.spec.name)
        self.console(on_stage)
        with self.qmp() as qmp:
            qmp.execute("cont")
        debug(f"{self.spec.name}: process {self.pid}, {self.spec.acceleration.name}, console {self.spec.console_log}")

    def _trouble(self) -> str | None:
        """Why the node can't answer, as far as this program reads its console."""
        return self.obituary() or (self._console.fault() if self._console else None) or None

    def _refuse_older(self) -> None:
        if self.alive() and not self.spec.control_socket.exists():
            what = f"the machine {self.spec.name} has no control channel"
            why = "an older kubeiso started it"
            raise CheckError(what, why=why, hint="kubeiso down, then kubeiso up; what you need of it first: kubeiso shell")

    def _refuse_stranger(self, channel: str, socket: Path) -> None:
        """QEMU calls a chardev "disconnected:..." while nobody is on its socket; a second client would wait without a word."""
        patience = Deadline.after(5.0)  # QEMU may not have seen yet that the last client went
        with self.qmp() as qmp:
            while not _is_free(qmp, channel):
                if patience.expired:
                    what = f"the {channel} of {self.spec.name} is in use by another program"
                    raise CheckError(what, hint=f"see who holds it: lsof {socket}")
                time.sleep(0.2)

    def _end(self, grace: float) -> Ending:
        if not self._process or self._process.ended():
            return Ending(how="ended before")
        for command, seconds in (("system_powerdown", grace), ("quit", PATIENCE)):
            with suppress(CheckError):
                if seconds and (reason := self._ask(command, seconds)):
                    return Ending(how=command.removeprefix("system_"), reason=reason)
        if number := self._process.end(PATIENCE):
            return Ending(how=number.name)
        raise CheckError(f"QEMU of {self.spec.name} (process {self.pid}) can't be ended")

    def _ask(self, command: str, seconds: float) -> str | None:
        """Has QEMU end itself; returns the reason in its SHUTDOWN event, None when it did not end in time."""
        assert self._process
        with self.qmp(timeout=10.0) as qmp:
            if command == "system_powerdown" and qmp.status() != "running":
                return None
            with suppress(CheckError):  # after `quit`, QEMU may be gone before its answer
                qmp.execute(command)
            if not self._process.ended(seconds):
                return None
            fate = qmp.fate(Deadline.after(0.5), "SHUTDOWN")
        return str(fate["data"]["reason"]) if fate else "unknown"


def _is_free(qmp: Qmp, channel: str) -> bool:
    devices = {str(device["label"]): str(device["filename"]) for device in qmp.execute("query-chardev")}
    return devices.get(channel, "").startswith("disconnected:")


def _save(state: State) -> None:
    write_kept(state.spec.directory / STATE, state)


def _load(directory: Path) -> State:
    try:
        return read_kept(directory / STATE, State, _DAMAGED)
    except FileNotFoundError as error:
        lost = CheckError(f"there is no machine in {directory}", why=f"there is no {error.filename}")
    except CheckError as error:
        lost = error
    if not (state := _searched(directory)):
        raise lost
    warn(f"the machine in {directory} is known by its process alone, and can only be looked at and ended: {lost}")
    return state


def _runs(directory: Path) -> bool:
    try:
        return Machine.attach(directory).alive()
    except CheckError:
        return False


def _searched(directory: Path) -> State | None:
    """What is known of a machine without its file, where it runs: all that is in its directory, not what it is made of."""
    identity = _process_of(directory)
    unknown = Acceleration(name="tcg", reason="not known any more")
    spec = MachineSpec(name=directory.name, directory=directory.absolute(), medium=directory / "unknown", acceleration=unknown)
    return State(spec=spec, identity=identity) if identity else None


def _process_of(directory: Path) -> Identity | None:
    """QEMU itself, by the option that names the note in its directory (see qemu.py)."""
    return search("-pidfile", str(directory.absolute() / PID_FILE))
