"""The one way in which this program runs other programs."""

import mmap
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import sh

from builder import orphans
from builder.errors import BuildError, KubeisoError, TimedOut, ToolMissing
from builder.progress import debug, still

# `sh` makes a process by fork(2) and runs some Python in it before the program. From 3.12 on Python warns of that where other
# threads run, which is always so here. What runs there takes no lock that another thread could hold: it sets signals, duplicates
# and closes descriptors, and Python and the C library renew their own locks in the child.
warnings.filterwarnings("ignore", r"This process \(pid=\d+\) is multi-threaded", DeprecationWarning, r"sh\b")

SHORT = 600.0
"""Seconds for a program that has no long work to do: many times what the slowest took on a host with ten times its load."""

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
TICK, LIFE = 0.25, 15.0  # seconds between two looks at a program's limits, and between two words on one that takes long
CHUNK = 1 << 16  # bytes of output that are read at once
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Kept whole in memory, read from pipes in large pieces: sh's own ways are a terminal, lines, and a copy for who pipes it on.
_OUTPUT: dict[str, Any] = {
    "_tty_out": False, "_no_pipe": True, "_out_bufsize": CHUNK, "_err_bufsize": CHUNK, "_decode_errors": "replace",
}  # fmt: skip
_EVERY_CODE = tuple(range(-signal.NSIG, 256))  # the exit code is judged here, with the program's own words uncut

# Debian package of each host tool, so that an error can say what to install.
PACKAGE_OF = {
    "apt-get": "apt", "depmod": "kmod", "dpkg-deb": "dpkg", "gcc": "gcc", "go": "golang (or: make setup)",
    "grub-mkimage": "grub-common", "mcopy": "mtools", "mformat": "mtools", "minisign": "minisign", "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools", "mksquashfs": "squashfs-tools", "mmd": "mtools", "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86", "sbsiglist": "sbsigntool", "sbsign": "sbsigntool", "sbvarsign": "sbsigntool",
    "sbverify": "sbsigntool", "skopeo": "skopeo", "sqfstar": "squashfs-tools", "strip": "binutils",
    "unsquashfs": "squashfs-tools", "vde_switch": "vde2", "veritysetup": "cryptsetup-bin", "xorriso": "xorriso",
    "xz": "xz-utils", "zstd": "zstd",
}  # fmt: skip

# Let through from the caller's environment; all else starts from nothing, so that a build does not depend on it.
PASSED_ON = (
    "HOME", "PATH", "TERM", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GOPROXY", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOPRIVATE", "GOAUTH", "NETRC",
    "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR",
)  # fmt: skip


@dataclass(frozen=True)
class Completed:
    """How a program ended: its exit code, and what it wrote where that was kept."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def words(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    return [os.fspath(word) for word in argv]


def tool(name: str) -> str:
    """The full path of a host tool; raises ToolMissing with the package that has it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        raise ToolMissing(
            f"the program {name} is not installed",
            hint=f"apt-get install {PACKAGE_OF.get(name, name)}   (or: make setup)",
        )
    return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small, known environment plus `extra`."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def failure(argv: Sequence[str], code: int, output: str) -> BuildError:
    """The error for a program that failed: the command to paste and the last lines that it wrote."""
    tail = tuple(line for line in output.strip().splitlines()[-15:])
    ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return BuildError(f"{Path(argv[0]).name} {ended}", details=tail, hint=f"the command was: {shlex.join(argv)}")


def last_line(text: str) -> str:
    """Of what a program wrote; empty where it wrote nothing."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | bytes | None = None,
    check: bool = True,
    timeout: float | None = SHORT,
    silence: float | None = None,
    heard: Callable[[str], None] | None = None,
) -> Completed:
    """Runs a program to its end and keeps its output.

    argv[0] is looked up on PATH; `env` is added to a small fixed environment; stdin is empty unless `input` is given.
    `heard` is told each line of stderr as it comes, in a thread of its own. A program that takes long is spoken of now and then.
    Raises ToolMissing, BuildError when it fails (with `check`), and TimedOut when it takes longer than `timeout` seconds or, for
    a program with `heard`, when it says nothing for `silence` seconds. What `heard` raises ends the program.
    """
    listener = _Listener(heard) if heard else None
    with _started(_line(argv), cwd, env, input, listener) as command:
        _await(command, words(argv), Limits(timeout, silence), listener)
        command.wait()
        code = command.exit_code
    done = Completed(tuple(words(argv)), code, _text(command.stdout), _text(command.stderr))
    if check and done.code != 0:
        raise failure(done.argv, done.code, done.stderr or done.stdout)
    return done


@dataclass(frozen=True)
class Limits:
    """Seconds that a program may take in all, and those that it may say nothing."""

    timeout: float | None
    silence: float | None

    def exceeded(self, seconds: float, listener: "_Listener | None") -> str:
        """What the program did not do, in words; empty while it may go on."""
        if self.timeout is not None and seconds >= self.timeout:
            return f"did not end within {self.timeout:.0f} s"
        if self.silence is not None and listener and listener.silent >= self.silence:
            return f"said nothing for {self.silence:.0f} s"
        return ""


class _Listener:
    """Takes a program's lines from the thread that reads them, and brings what went wrong there to who waits for the program."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._last = time.monotonic()
        self.fault: BaseException | None = None

    @property
    def silent(self) -> float:
        """Seconds since the last line."""
        return time.monotonic() - self._last

    def __call__(self, chunk: str | bytes) -> bool:
        self._last = time.monotonic()
        try:
            for line in _text(chunk).splitlines():
                self._heard(line)
        except BaseException as fault:
            self.fault = fault
        return self.fault is not None  # True: no more of it


def _text(output: str | bytes) -> str:
    return output if isinstance(output, str) else output.decode(errors="replace")


@contextmanager
def _started(
    line: list[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    input: str | bytes | None,
    listener: _Listener | None,
) -> Iterator[sh.RunningCommand]:
    """The program, in a session of its own; whatever way the block is left, its group is gone afterwards."""
    heard: dict[str, Any] = {"_err": listener, "_err_bufsize": 1, "_tee": "err"} if listener else {}
    with _input(input) as stdin, mmap.mmap(-1, 8) as born, _no_signals():
        enter = partial(_before_the_program, orphans.watch(), born, cwd or Path())
        try:
            command = sh.Command(line[0])(
                *line[1:], _bg=True, _bg_exc=False, _return_cmd=True, _new_session=True, _in=stdin, _env=environment(env),
                _ok_code=_EVERY_CODE, _preexec_fn=enter, **(_OUTPUT | heard),
            )  # fmt: skip
        except BaseException as error:
            _end_stillborn(int.from_bytes(born[:]))
            if not isinstance(error, (sh.CommandNotFound, sh.ForkException, OSError)):
                raise
            why = str(error).strip().rpartition("\n")[2] if isinstance(error, sh.ForkException) else f"{line[0]}: {error}"
            raise KubeisoError(f"{line[0]} could not be started", why=why) from error
    try:
        yield command
    finally:
        _end(command.pid, partial(_ended, command))


def _end_stillborn(pid: int) -> None:
    """A process that `sh` has made and lost: it raises without having waited for it, or has done so by then. 0: none was made."""

    def ended(seconds: float | None) -> bool:
        try:
            return os.waitpid(pid, 0 if seconds is None else os.WNOHANG)[0] == pid
        except ChildProcessError:
            return True

    if pid:
        _end(pid, ended)


@contextmanager
def _input(data: str | bytes | None) -> Iterator[IO[bytes]]:
    """A file, and no pipe: so a program that does not read it is in nobody's way."""
    if data is None:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing
        return
    with TemporaryFile() as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.seek(0)
        yield file


@contextmanager
def _no_signals() -> Iterator[None]:
    """While a process is made none of them comes: its copy of this program would act on it as this one does."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _before_the_program(pipe: IO[bytes], born: mmap.mmap, cwd: Path) -> None:
    """Runs in the new process. `sh` has it ignore SIGHUP, and this program's handlers are not for it."""
    born[:] = os.getpid().to_bytes(8)
    orphans.began_here(pipe)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.chdir(cwd)  # not left to `sh`, which would do it before anybody knows of the process


def _await(command: sh.RunningCommand, argv: Sequence[str], limits: Limits, listener: _Listener | None) -> None:
    """Returns once the program has ended; it is not waited for by `sh`, which would look ten times a second."""
    name, begun, told = Path(argv[0]).name, time.monotonic(), 0.0
    with _pidfd(command.pid) as ended:
        while not ended(TICK):
            seconds = time.monotonic() - begun
            if listener and listener.fault:
                break
            if exceeded := limits.exceeded(seconds, listener):
                raise TimedOut(f"{name} {exceeded}", hint=f"the command was: {shlex.join(argv)}")
            if seconds - told >= LIFE:
                told = seconds
                still(f"{name} is at work")
    if listener and listener.fault:
        raise listener.fault


@contextmanager
def _pidfd(pid: int) -> Iterator[Callable[[float], bool]]:
    """Says whether the process has ended after at most so many seconds; pidfd_open(2)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:  # ended, and waited for by the thread that reads its output
        yield lambda _seconds: True
        return
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        yield lambda seconds: bool(waiting.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _ended(command: sh.RunningCommand, seconds: float | None) -> bool:
    try:
        command.wait(seconds)
    except sh.TimeoutException:
        return False
    return True


@contextmanager
def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    outlives: bool = False,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a program in a process group of its own; whatever way the block is left, that group is gone afterwards.

    For a program that works beside this one: hundreds of megabytes pass between the two by their descriptors, where `sh` would
    carry each piece through Python's threads. `outlives`: it sees the end of this program by itself and has then still to act.
    """
    line, pipe = _line(argv), orphans.watch()
    try:
        process = subprocess.Popen(
            line, cwd=cwd, env=environment(env), stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise KubeisoError(f"{line[0]} could not be started", why=str(error)) from error
    try:
        if not outlives:
            orphans.began(process.pid, pipe)
        yield process
    finally:
        end(process)


def _line(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The words with the program's full path."""
    program, *arguments = words(argv)
    line = [tool(program) if "/" not in program else program, *arguments]
    debug("+ " + shlex.join(line))
    return line


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process group, also what its leader left behind when it ended, and closes its pipes."""

    def ended(seconds: float | None) -> bool:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    _end(process.pid, ended)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe and not pipe.closed:
            with suppress(BrokenPipeError):
                pipe.close()


def _end(group: int, ended: Callable[[float | None], bool]) -> None:
    """SIGTERM, some seconds, SIGKILL. `ended` waits for the leader as long as it is told."""
    for sign, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        if ended(0):
            break
        with suppress(ProcessLookupError):
            os.killpg(group, sign)
        ended(seconds)
    sweep(group)
    orphans.ended(group)


def sweep(group: int) -> None:
    """Kills what is left of a group whose leader has ended and been waited for.

    A process that has the leader's number now is another's, and so is its group: while one of ours lives, the kernel gives
    the number to nobody.
    """
    try:
        os.kill(group, 0)
    except ProcessLookupError:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    except PermissionError:
        return
