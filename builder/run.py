"""The one way in which this program runs other programs."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from builder.errors import BuildError, KubeisoError, TimedOut, ToolMissing
from builder.progress import debug

# Debian package of each host tool, so that an error can say what to install.
PACKAGE_OF = {
    "apt-get": "apt", "dpkg-deb": "dpkg", "gcc": "gcc", "go": "golang (or: make setup)", "grub-mkimage": "grub-common",
    "mcopy": "mtools", "mformat": "mtools", "mkfs.vfat": "dosfstools", "mksquashfs": "squashfs-tools", "mmd": "mtools",
    "qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86", "sqfstar": "squashfs-tools", "strip": "binutils",
    "vde_switch": "vde2", "xorriso": "xorriso", "xz": "xz-utils", "zstd": "zstd", "depmod": "kmod", "mke2fs": "e2fsprogs",
}  # fmt: skip

# Let through from the caller's environment; all else starts from nothing, so that a build does not depend on it.
PASSED_ON = (
    "HOME", "PATH", "TERM", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GOPROXY", "GONOSUMDB", "GONOSUMCHECK", "GOSUMDB", "GOPRIVATE", "GOAUTH", "NETRC",
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


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | bytes | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> Completed:
    """Runs a program to its end and keeps its output.

    argv[0] is looked up on PATH; `env` is added to a small fixed environment; stdin is empty unless `input` is given.
    Raises ToolMissing, BuildError when it fails (with `check`), and TimedOut when it takes longer than `timeout` seconds.
    """
    data = input.encode() if isinstance(input, str) else input
    with spawn(argv, cwd=cwd, env=env, stdin=subprocess.PIPE if data is not None else None) as process:
        try:
            out, err = process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise TimedOut(
                f"{Path(os.fspath(argv[0])).name} did not end within {timeout:.0f} s",
                hint=f"the command was: {shlex.join(words(argv))}",
            ) from late
    done = Completed(tuple(words(argv)), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
    if check and done.code != 0:
        raise failure(done.argv, done.code, done.stderr or done.stdout)
    return done


@contextmanager
def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a program in a process group of its own; whatever way the block is left, that group is gone afterwards."""
    program, *arguments = words(argv)
    line = [tool(program) if "/" not in program else program, *arguments]
    debug("+ " + shlex.join(line))
    try:
        process = subprocess.Popen(
            line, cwd=cwd, env=environment(env), stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout, stderr=stderr, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise KubeisoError(f"{program} could not be started", why=str(error)) from error
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]", grace: float = 5.0) -> None:
    """Ends a process group: SIGTERM, `grace` seconds, SIGKILL; also what its leader left behind when it ended."""
    for sign, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, sign)
            process.wait(seconds)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue
    sweep(process.pid)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe and not pipe.closed:
            with suppress(BrokenPipeError):
                pipe.close()


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
