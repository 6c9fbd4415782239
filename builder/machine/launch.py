"""Starts QEMU: what has to lie in a machine's directory, and the process in the background."""

import os
import re
import shlex
import shutil
from pathlib import Path

from builder.architecture import platform
from builder.aside import aside
from builder.errors import BuildError, CheckError, InputError, ToolMissing
from builder.fat import boot_path, write_efi
from builder.machine.model import DISK, SOCKET_PATH, Firmware, MachineSpec
from builder.machine.qemu import OVMF_VARS, command, image_format, ovmf_code
from builder.machine.secureboot import enroll
from builder.process import Identity, noted
from builder.run import Completed, run


def prepare(spec: MachineSpec) -> None:
    """Makes the directory of a machine that does not run, with its private firmware variables and its overlay.

    Raises InputError for a file that is not there or a directory with too long a name, ToolMissing without OVMF, and CheckError
    where the switch of its cluster does not run: QEMU would start without a word, and stay unplugged.
    """
    if not spec.medium.is_file():
        raise InputError(f"there is no medium {spec.medium}", hint="build one first: kubeiso build")
    for what, path in (("metadata volume", spec.metadata), ("state disk", spec.state_disk)):
        if path and not path.is_file():
            raise InputError(f"there is no {what} {path}")
    if spec.cluster_network and not spec.cluster_network.socket.exists():
        why = f"there is no {spec.cluster_network.socket}"
        raise CheckError(f"the cluster's network, which {spec.name} is to be plugged into, does not run", why=why)
    if len(os.fsencode(spec.console_socket)) > SOCKET_PATH:
        why = f"a unix socket's path has at most {SOCKET_PATH} bytes, and {spec.console_socket} has more"
        raise InputError("the machine's directory has too long a name", why=why, hint="choose a shorter one")
    spec.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in (*spec.sockets, spec.pid_file, spec.firmware_log, spec.stderr_log):
        left.unlink(missing_ok=True)
    if spec.firmware is Firmware.UEFI:
        _make_variables(spec)
    if spec.efi_disk:
        with aside(spec.efi_disk) as made:
            write_efi(made, {boot_path(platform(spec.acceleration.platform).efi_file): spec.medium})
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
    for socket in spec.sockets:
        socket.chmod(0o600)
    identity = noted(spec.pid_file)
    if identity is None:
        raise _dead_on_arrival(spec, done)
    return identity


def last_words(spec: MachineSpec, count: int = 10) -> tuple[str, ...]:
    """The last lines that QEMU wrote to its log."""
    try:
        return tuple(spec.stderr_log.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ()


# QEMU's words for a port that it can't listen on (net/slirp.c).
_PORT_TAKEN = re.compile(r"host forwarding rule 'tcp:[\d.]*:(\d+)-")


def _dead_on_arrival(spec: MachineSpec, done: Completed) -> BuildError:
    what = f"QEMU could not start the machine {spec.name}"
    said = (*done.stderr.strip().splitlines(), *last_words(spec))
    if taken := _PORT_TAKEN.search("\n".join(said)):
        hint = f"see who listens there: ss -ltnp 'sport = :{taken[1]}'; a new cluster (kubeiso down, then up) takes other ports"
        return BuildError(what, why=f"another program took port {taken[1]} of 127.0.0.1", details=said, hint=hint)
    why = f"it ended at once with exit code {done.code}"
    return BuildError(what, why=why, details=said or ("it said nothing",), hint=f"the command was: {shlex.join(done.argv)}")


def _make_variables(spec: MachineSpec) -> None:
    if not (ovmf_code(spec).exists() and OVMF_VARS.exists()):
        raise ToolMissing("the UEFI firmware for QEMU is not installed", hint="apt-get install ovmf   (or: make setup)")
    target = spec.firmware_variables
    if target.exists():
        return
    if spec.keys:
        enroll(OVMF_VARS, spec.keys, target)
    else:
        shutil.copyfile(OVMF_VARS, target)


def _make_overlay(medium: Path, overlay: Path) -> None:
    """A disk in its raw form is as small as can be; whoever writes it to a disk has a larger one, and so has the machine."""
    form = image_format(medium)
    size = [str(max(DISK, medium.stat().st_size))] if medium.suffix == ".raw" else []
    with aside(overlay) as made:
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", medium, "-F", form, made, *size])
