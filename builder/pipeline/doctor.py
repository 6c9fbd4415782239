"""What this host can do, found out by trying; each finding says what to do about it."""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.components.mirrors import archive
from builder.components.registry import find
from builder.components.toolchain import go, network
from builder.errors import KubeisoError
from builder.machine.model import Acceleration
from builder.machine.qemu import OVMF_CODE
from builder.pipeline.build import INITRD
from builder.pipeline.clusters import acceleration
from builder.pipeline.kernel import kernel_image
from builder.project import Project
from builder.run import run, tool
from builder.store import Store

BUILD_TOOLS = ("dpkg-deb", "depmod", "gcc", "xz", "zstd", "mksquashfs", "xorriso", "mformat", "mcopy", "grub-mkimage")
RUN_TOOLS = ("qemu-system-x86_64", "qemu-img")
# A cold build of cri-containerd leaves 7 GB in the cache, most of it Go's; measured with du.
DISK_WANTED = 12e9
MEMORY_WANTED = 4 << 30


@dataclass(frozen=True)
class Finding:
    """One thing about the host. `needed_for` says what does not work without it; `hint` how to mend it."""

    name: str
    good: bool
    what: str
    needed_for: str = ""
    hint: str = ""


def examine(project: Project, store: Store, *, probe: bool) -> list[Finding]:
    """Every finding; nothing is changed but the cache. With `probe`, a machine is booted to try KVM."""
    findings = [_tool(name, "build") for name in BUILD_TOOLS] + [_tool(name, "up, test, boot") for name in RUN_TOOLS]
    findings += [_ovmf(), _try("Go toolchain", "build", lambda: go().version), _disk(store), _memory(), _linuxkit()]
    findings += [_source("Debian packages", lambda: f"{archive('main')}/dists/stable/InRelease"), _modules()]
    if probe:
        findings.append(_try("acceleration", "up, test", lambda: _acceleration(project, store)))
    return findings


def _tool(name: str, needed_for: str) -> Finding:
    return _try(name, needed_for, lambda: tool(name))


def _try(name: str, needed_for: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except KubeisoError as error:
        return Finding(name, False, error.what, needed_for, error.hint)


def _ovmf() -> Finding:
    good = OVMF_CODE.is_file()
    return Finding("UEFI firmware", good, str(OVMF_CODE) if good else "not installed", "--firmware uefi", "apt-get install ovmf")


def _linuxkit() -> Finding:
    found = shutil.which("linuxkit")
    return Finding("linuxkit", True, found or "not on PATH: the native assembler does its work")


def _disk(store: Store) -> Finding:
    free = shutil.disk_usage(store.root).free
    what = f"{free / 1e9:.0f} GB free under {store.root}"
    hint = "kubeiso clean, or set KUBEISO_CACHE to a larger disk"
    return Finding("disk", free >= DISK_WANTED, what, f"a cold build wants {DISK_WANTED / 1e9:.0f} GB", hint)


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    what = f"{total / (1 << 30):.1f} GiB, {os.cpu_count()} processors"
    return Finding("memory", total >= MEMORY_WANTED, what, "a cluster of one", "4 GiB are enough for one node and its host")


def _source(name: str, address: Callable[[], str]) -> Finding:
    try:
        wanted = address()
        with urllib.request.urlopen(wanted, timeout=15) as answer:
            return Finding(name, answer.status == 200, "the source answers")
    except KubeisoError as error:
        return Finding(name, False, error.what, "a cold build", error.hint)
    except (urllib.error.URLError, OSError) as error:
        return Finding(
            name, False, f"the source does not answer: {error}", "a cold build", "builds from the cache go on: --offline"
        )


def _modules() -> Finding:
    """A small module by the ordinary client: the user's own proxy settings count."""
    try:
        program = go().program
        done = run(
            [program, "list", "-m", "golang.org/x/sys@latest"], cwd=Path("/"), env={**network(program), "GOFLAGS": "-mod=mod"},
            check=False, timeout=60,
        )  # fmt: skip
    except KubeisoError as error:
        return Finding("Go modules", False, error.what, "a cold build", error.hint)
    if done.code == 0:
        return Finding("Go modules", True, "the source answers")
    why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
    return Finding("Go modules", False, why, "a cold build", "set GOPROXY to a proxy that this host reaches")


def _acceleration(project: Project, store: Store) -> str:
    found = probed(project, store)
    return f"{found.name}: {found.reason}"


def probed(project: Project, store: Store) -> Acceleration:
    """How machines run here; fetches the kernel and builds the probe where they are not in the cache."""
    program = find(INITRD, store, project).files["initrd"]
    kernel = kernel_image(project, store)
    return acceleration(store, kernel, program)
