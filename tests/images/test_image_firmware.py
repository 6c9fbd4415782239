"""What the node's drivers ask for by name is in the node: modinfo of every kept module against the files of pkg/firmware."""

import fnmatch
import io
import re
import tarfile
from collections.abc import Iterator

import pytest
from media_samples import read_newc

from builder import oci
from builder.components.debian import debs, load_lock
from builder.images.compose import compose
from builder.images.description import load_description
from builder.project import Project
from builder.store import Digest, Store

pytestmark = pytest.mark.network

FIRMWARE = "usr/lib/firmware/"
NAMED = re.compile(rb"\0firmware=([^\0]*)")
# What Debian does not have.
NOWHERE = {
    "idt82p33xxx.bin",  # a clock's own settings, which its board has
    "isci/isci_firmware.bin",  # the same, for boards whose BIOS lacks them
    "renesas_usb_fw.mem",  # Renesas lets nobody hand it on; most cards have it in a ROM
}


def composed(name: str) -> oci.Image:
    project, store = Project.here(), Store()
    packages = debs(name, load_lock(project.lock), store)
    return compose(name, project.pkg / name, load_description(project.pkg / name), {}, packages, store)


def named(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    """Each module, and a file that it names."""
    for info in archive:
        if info.name.endswith(".ko") and (content := archive.extractfile(info)):
            for name in NAMED.findall(content.read()):
                yield info.name, name.decode()


def files(digest: Digest) -> Iterator[tuple[str, tarfile.TarInfo, bytes]]:
    for layer in oci.layer_paths(Store(), digest):
        for info, content in oci.layer_entries(layer):
            yield info.name, info, content.read() if content else b""


def test_each_file_that_a_driver_names_is_there() -> None:
    (modules,) = (data for name, _, data in files(composed("kernel").digest) if name == "kernel.tar")
    there = {name.removeprefix(FIRMWARE) for name, _, _ in files(composed("firmware").digest)}
    with tarfile.open(fileobj=io.BytesIO(modules)) as archive:
        wanted = list(named(archive))
    assert len({module for module, _ in wanted}) > 8, "drivers that name files were seen"
    lacking = [each for each in wanted if each[1] not in NOWHERE and not fnmatch.filter(there, each[1])]
    assert lacking == []


def test_the_microcode_is_what_the_kernel_looks_for() -> None:
    (archive,) = (data for name, _, data in files(composed("kernel").digest) if name == "ucode.cpio")
    members, _ = read_newc(archive)
    amd, intel = (members[f"kernel/x86/microcode/{vendor}.bin"][2] for vendor in ("AuthenticAMD", "GenuineIntel"))
    # Linux, arch/x86/kernel/cpu/microcode/amd.c (UCODE_MAGIC) and include/asm/microcode.h (microcode_header_intel.hdrver)
    assert (amd[:4], intel[:4]) == (b"DMA\0", b"\1\0\0\0")
    assert len(intel) > 10_000_000, "of more than a few CPUs"
