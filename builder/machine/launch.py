"""Starts QEMU: what has to lie in a machine's directory, the process in the background, and the leash to who started it."""

import os
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

from builder.errors import BuildError, InputError, ToolMissing
from builder.machine.model import Firmware, MachineSpec
from builder.machine.process import Identity, identify
from builder.machine.qemu import OVMF_CODE, OVMF_VARS, command, image_format
from builder.run import Completed, run, spawn

SOCKET_PATH = 107
"""Bytes that the path of a unix socket may have: sun_path less its final zero, unix(7)."""

# Ends the process whose id is in the file $1 and whose command line names $2, once stdin is at its end or SIGTERM comes.
_LEASH = (
    'end() { pid=$(cat "$1" 2>/dev/null) && grep -qsF -- "$2" "/proc/$pid/cmdline" && kill -TERM "$pid"; exit 0; };'
    'trap \'end "$1" "$2"\' TERM INT HUP; while read -r _; do :; done; end "$1" "$2"'
)


def prepare(spec: MachineSpec) -> None:
    """Makes the directory of a machine that does not run, with its private firmware variables and its overlay.

    Raises InputError for a medium that is not there or a directory with too long a name, ToolMissing without OVMF.
    """
    if not spec.medium.is_file():
        raise InputError(f"there is no medium {spec.medium}", hint="build one first: kubeiso build")
    if len(os.fsencode(spec.console_socket)) > SOCKET_PATH:
        why = f"a unix socket's path has at most {SOCKET_PATH} bytes, and {spec.console_socket} has more"
        raise InputError("the machine's directory has too long a name", why=why, hint="choose a shorter one")
    spec.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in (spec.console_socket, spec.qmp_socket, spec.pid_file, spec.firmware_log, spec.stderr_log):
        left.unlink(missing_ok=True)
    if spec.firmware is Firmware.UEFI:
        _copy_variables(spec.firmware_variables)
    if spec.overlay and not spec.overlay.exists():
        _make_overlay(spec.medium.absolute(), spec.overlay)


def launch(spec: MachineSpec) -> Identity:
    """Starts the machine, paused. QEMU itself returns once all is set up, or fails and tells why.

    Raises BuildError with what QEMU said when it ended at once.
    """
    argv = command(spec)
    done = run(argv, check=False, timeout=120)
    if done.code != 0:
        raise _dead_on_arrival(spec, done)
    identity = identify(int(spec.pid_file.read_text())) if spec.pid_file.exists() else None
    if identity is None:
        raise _dead_on_arrival(spec, done)
    return identity


def leash(spec: MachineSpec) -> ExitStack:
    """Ties the machine to this program: however this program ends, the machine ends too. So it does when the stack is closed."""
    stack = ExitStack()
    stack.enter_context(spawn(["sh", "-c", _LEASH, "sh", spec.pid_file, spec.directory], stdin=PIPE))
    return stack


def last_words(spec: MachineSpec, count: int = 10) -> tuple[str, ...]:
    """The last lines that QEMU wrote to its log."""
    try:
        return tuple(spec.stderr_log.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ()


def _dead_on_arrival(spec: MachineSpec, done: Completed) -> BuildError:

    said = (*done.stderr.strip().splitlines(), *last_words(spec))
    return BuildError(
        f"QEMU could not start the machine {spec.name}", why=f"it ended at once with exit code {done.code}",
        details=said or ("it said nothing",), hint=f"the command was: {shlex.join(done.argv)}",
    )  # fmt: skip


def _copy_variables(target: Path) -> None:
    if not (OVMF_CODE.exists() and OVMF_VARS.exists()):
        raise ToolMissing("the UEFI firmware for QEMU is not installed", hint="apt-get install ovmf   (or: make setup)")
    if not target.exists():
        shutil.copyfile(OVMF_VARS, target)


def _make_overlay(medium: Path, overlay: Path) -> None:
    aside = overlay.with_suffix(".part")
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", medium, "-F", image_format(medium), aside])
    aside.replace(overlay)
