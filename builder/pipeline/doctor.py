"""What this host can do, found out by trying; each finding says what to do about it."""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from builder.architecture import AMD64
from builder.assembly.linuxkit import find_program
from builder.components.description import describe, names
from builder.components.golang import Golang, Section
from builder.components.mirrors import archive
from builder.components.model import INITRD
from builder.components.registry import find
from builder.components.toolchain import c_toolchain, go, network
from builder.errors import KubeisoError
from builder.machine.accel import forced
from builder.machine.model import Acceleration
from builder.machine.qemu import OVMF_CODE, OVMF_VARS
from builder.media.grub import LIBRARY, check_installed
from builder.pipeline.clusters import acceleration
from builder.pipeline.kernel import kernel_image
from builder.pipeline.tools import BUILD_TOOLS, CLUSTER_TOOLS
from builder.project import Project
from builder.run import run, tool
from builder.store import Store
from builder.tidy import parts

# A cold build of cri-containerd leaves 6.2 GB in the cache, measured with du; media and trees that are being made come on top.
DISK_WANTED = 10e9
MEMORY_WANTED = 4 << 30


class State(StrEnum):
    """`MISSING`: nothing works without it. `WANTING`: some things do not."""

    OK = "ok"
    WANTING = "wanting"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing about the host. `needed_for` says what does not work without it; `hint` how to mend it."""

    name: str
    state: State
    what: str
    needed_for: str = ""
    hint: str = ""


def examine(project: Project, store: Store, *, probe: bool) -> list[Finding]:
    """Every finding; nothing is changed but the cache. With `probe`, a machine is booted to try KVM."""
    findings = [_tool(name, "build") for name in BUILD_TOOLS] + [_tool(name, "up, test, boot") for name in CLUSTER_TOOLS]
    findings += [_try("GRUB's modules", "build", _grub), _try("C libraries", "build", lambda: _libraries(project))]
    findings += [_try("Go toolchain", "build", lambda: go().version), _ovmf(), _linuxkit(), _disk(store), _memory()]
    findings.append(_try("mke2fs", "nodes with a disk", lambda: tool("mke2fs"), State.WANTING))
    findings += [_source("Debian packages", lambda: f"{archive('main')}/dists/stable/InRelease"), _modules()]
    if probe:
        findings.append(_try("acceleration", "up, test", lambda: _acceleration(project, store), State.WANTING))
    return findings


def _tool(name: str, needed_for: str) -> Finding:
    return _try(name, needed_for, lambda: tool(name))


def _try(name: str, needed_for: str, look: Callable[[], str], failed: State = State.MISSING) -> Finding:
    try:
        return Finding(name, State.OK, look())
    except KubeisoError as error:
        return Finding(name, failed, error.what, needed_for, error.hint)


def _good(good: bool, otherwise: State = State.WANTING) -> State:
    return State.OK if good else otherwise


def _grub() -> str:
    check_installed(AMD64)
    return str(LIBRARY)


def _libraries(project: Project) -> str:
    """What the components in C ask for, by pkg-config."""
    sections = [describe(name, project).section(Golang.name, Section) for name in names(project)]
    wanted = {library: package for section in sections if section for library, package in section.libraries.items()}
    return ", ".join(c_toolchain(wanted)[2:]) or "none are needed"


def _ovmf() -> Finding:
    good = OVMF_CODE.is_file() and OVMF_VARS.is_file()
    what = str(OVMF_CODE) if good else "not installed"
    return Finding("UEFI firmware", _good(good), what, "--firmware uefi", "apt-get install ovmf   (or: make setup)")


def _linuxkit() -> Finding:
    found = find_program()
    if found is None:
        return Finding("linuxkit", State.OK, "not on PATH: the native assembler does its work")
    good = os.access(found, os.X_OK) and found.is_file()
    what = str(found) if good else f"{found} is no program"
    return Finding("linuxkit", _good(good, State.MISSING), what, "build", "set KUBEISO_LINUXKIT to the LinuxKit CLI, or unset it")


def _disk(store: Store) -> Finding:
    free = shutil.disk_usage(store.root).free
    held = ", ".join(f"{part.title} {part.size / 1e9:.1f} GB" for part in parts(store.root) if part.size >= 5e7)
    what = f"{free / 1e9:.0f} GB free under {store.root}" + (f"; in use: {held}" if held else "")
    hint = "kubeiso clean, or set KUBEISO_CACHE to a larger disk"
    return Finding("disk", _good(free >= DISK_WANTED), what, f"a cold build, which wants {DISK_WANTED / 1e9:.0f} GB", hint)


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    what = f"{total / (1 << 30):.1f} GiB, {os.cpu_count()} processors"
    return Finding(
        "memory", _good(total >= MEMORY_WANTED), what, "a cluster of one", "4 GiB are enough for one node and its host"
    )


def _source(name: str, address: Callable[[], str]) -> Finding:
    hint = "look at the network and at http_proxy / https_proxy; builds from the cache go on: --offline"
    try:
        with urllib.request.build_opener().open(address(), timeout=15):
            return Finding(name, State.OK, "the source answers")
    except KubeisoError as error:
        return Finding(name, State.WANTING, error.what, "a cold build", error.hint)
    except (urllib.error.URLError, OSError) as error:
        return Finding(name, State.WANTING, f"the source does not answer: {error}", "a cold build", hint)


def _modules() -> Finding:
    """A small module by the ordinary client: the user's own proxy settings count."""
    try:
        program = go().program
        done = run(
            [program, "list", "-m", "golang.org/x/sys@latest"], cwd=Path("/"), env={**network(program), "GOFLAGS": "-mod=mod"},
            check=False, timeout=60,
        )  # fmt: skip
    except KubeisoError as error:
        return Finding("Go modules", State.WANTING, error.what, "a cold build", error.hint)
    if done.code == 0:
        return Finding("Go modules", State.OK, "the source answers")
    why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
    return Finding("Go modules", State.WANTING, why, "a cold build", "set GOPROXY to a proxy that this host reaches")


def _acceleration(project: Project, store: Store) -> str:
    found = probed(project, store)
    return f"{found.name}: {found.reason}"


def probed(project: Project, store: Store) -> Acceleration:
    """How machines run here; fetches the kernel and builds the probe where they are needed and not in the cache."""
    if decided := forced(AMD64):
        return decided
    program = find(INITRD, store, project).files["initrd"]
    kernel = kernel_image(project, store)
    return acceleration(store, kernel, program, AMD64)
