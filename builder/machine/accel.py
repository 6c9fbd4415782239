"""Whether KVM is worth anything on this host: found out by booting a kernel, never from /dev/kvm alone.

A host can have a /dev/kvm that opens and creates machines in which a guest then hangs or crawls (nested virtualization).
"""

import gzip
import os
import time
from dataclasses import dataclass
from pathlib import Path

from builder import cpio
from builder.architecture import Platform
from builder.console.model import Stage
from builder.console.speed import parse_stage, scale_of
from builder.deadline import Deadline
from builder.errors import InputError
from builder.machine.model import Acceleration
from builder.process import boot_id
from builder.progress import note, step, warn
from builder.run import run, spawn
from builder.store import Store, key_of

OVERRIDE = "KUBEISO_ACCEL"
KVM_SECONDS, TCG_SECONDS = 20.0, 120.0
"""How long a probe may take. Where KVM works it takes two seconds, under emulation about ten on a quiet host."""

NEAR_NATIVE = 4.0
"""Up to this scale (speed.scale_of) KVM is taken without a comparison."""

_DEVICE = Path("/dev/kvm")
_PROBE_MEMORY = 512  # MiB


@dataclass(frozen=True)
class Probe:
    """How one probe went: why it failed (empty when it did not), its seconds from QEMU's start to userspace, its scale."""

    failure: str
    seconds: float
    scale: float = 0.0


def probe(store: Store, kernel: Path, initrd: Path, platform: Platform) -> Acceleration:
    """How machines of the platform run on this host: KVM where a guest was seen to run well with it, else TCG.

    `initrd` is one made by `probe_initrd`. What a probe showed is kept for this boot of the host, this kernel, this QEMU and this
    /dev/kvm; that there is none, or that it may not be used, is looked at each time, since a user can mend it.
    The environment variable KUBEISO_ACCEL=kvm|tcg decides instead. Raises InputError for another value, ToolMissing without QEMU.
    """
    if decided := forced(platform):
        return decided
    version = run([platform.qemu.program, "--version"]).stdout.partition("\n")[0]
    if reason := _unusable():
        return _told(Acceleration(name="tcg", reason=reason, platform=platform.name))
    device = _DEVICE.stat()  # made anew when its module is loaded again, perhaps with other parameters
    key = key_of("acceleration", platform.name, version, os.uname().release, boot_id(), f"{device.st_ino} {device.st_ctime_ns}")
    return _told(Acceleration.model_validate(store.once(key, lambda: _decide(store, kernel, initrd, platform.name).model_dump())))


def forced(platform: Platform) -> Acceleration | None:
    """What KUBEISO_ACCEL decides: then there is nothing to prepare for a probe. Raises InputError for neither kvm nor tcg."""
    named = os.environ.get(OVERRIDE)
    if not named:
        return None
    if named not in ("kvm", "tcg"):
        raise InputError(f"{OVERRIDE}={named} is neither kvm nor tcg", hint=f"unset {OVERRIDE} to have it found out")
    return _told(Acceleration(name=named, reason=f"{OVERRIDE} says so", platform=platform.name))


def probe_initrd(program: Path, target: Path) -> None:
    """Writes an initramfs whose /init is `program`, a static binary that tells the stage "probe" and powers off."""
    entries = [cpio.directory("dev"), cpio.device("dev/console", 5, 1), cpio.file("init", program.read_bytes(), 0o755)]
    target.write_bytes(gzip.compress(cpio.newc(entries), compresslevel=6, mtime=0))


def probe_command(acceleration: Acceleration, kernel: Path, initrd: Path, console: Path) -> list[str]:
    """QEMU's arguments for a probe: a kernel, an initramfs, and a console that goes to a file."""
    qemu = acceleration.qemu
    return [
        qemu.program, "-nodefaults", "-no-user-config", "-machine", qemu.machine, *acceleration.to_qemu(_PROBE_MEMORY),
        "-smp", "2", "-m", str(_PROBE_MEMORY), "-display", "none", "-no-reboot",
        "-serial", f"file:{str(console).replace(',', ',,')}",
        "-kernel", str(kernel), "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 kubeiso.probe",
    ]  # fmt: skip


def _unusable() -> str:
    """Why no probe is needed to know that there is no KVM; empty where one is."""
    if not _DEVICE.exists():
        return "this host has no /dev/kvm"
    return "" if os.access(_DEVICE, os.R_OK | os.W_OK) else "/dev/kvm may not be used by this user (see group kvm)"


def _decide(store: Store, kernel: Path, initrd: Path, platform: str) -> Acceleration:
    def by(name: str, reason: str) -> Acceleration:
        return Acceleration(name=name, reason=reason, platform=platform)

    kvm = _boot(store, by("kvm", "probe"), kernel, initrd, KVM_SECONDS)
    if kvm.failure:
        return by("tcg", f"/dev/kvm is there, but {kvm.failure}")
    if kvm.scale <= NEAR_NATIVE:
        return by("kvm", f"a probe came to userspace with it after {kvm.seconds:.1f} s")
    return by(*_faster(kvm, _boot(store, by("tcg", "probe"), kernel, initrd, TCG_SECONDS)))


def _faster(kvm: Probe, tcg: Probe) -> tuple[str, str]:
    """The quicker one's name, and why."""
    if tcg.failure or kvm.seconds <= tcg.seconds:
        return "kvm", f"a probe took {kvm.seconds:.1f} s with it; emulation {tcg.failure or f'took {tcg.seconds:.1f} s'}"
    return "tcg", f"a probe took {kvm.seconds:.1f} s with KVM, {tcg.seconds:.1f} s without it"


def _boot(store: Store, acceleration: Acceleration, kernel: Path, initrd: Path, seconds: float) -> Probe:
    """Boots the probe and watches its console until it tells its stage, QEMU ends or the time is over."""
    with step(f"Booting a probe with {acceleration.name}") as work, store.workdir("probe") as directory:
        console, log = directory / "console", directory / "log"
        deadline = Deadline.after(seconds)
        with log.open("wb") as file, spawn(probe_command(acceleration, kernel, initrd, console), stderr=file) as process:
            while not deadline.expired:
                ended = process.poll() is not None
                if stage := _seen(console):
                    return Probe("", work.seconds, scale_of(stage.cpu_ms or 0.0))
                if ended:
                    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                    return Probe(f"QEMU ended before the guest came to userspace ({said[0]})", work.seconds)
                time.sleep(0.1)
        return Probe(f"a guest did not come to userspace within {seconds:.0f} s", work.seconds)


def _seen(console: Path) -> Stage | None:
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    stages = filter(None, map(parse_stage, lines))
    return next((stage for stage in stages if stage.stage == "probe" and stage.state == "ok"), None)


def _told(acceleration: Acceleration) -> Acceleration:
    if acceleration.name == "kvm":
        note(f"machines run with KVM: {acceleration.reason}")
    else:
        warn(f"machines run under emulation (TCG), many times slower: {acceleration.reason}; {OVERRIDE}=kvm overrides")
    return acceleration
