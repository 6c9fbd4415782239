"""The formats raw, qcow2 and vmdk: a disk that boots with BIOS and UEFI and keeps the node's state behind what it boots from.

Such a disk is the ISO with one more partition, of a type of kubeiso's own. It comes blank and as small as can be; the node makes
it reach to the disk's end and formats it at its first boot (pkg/state/widen.go).
"""

import hashlib
import json
import os
import re
from pathlib import Path

from builder.errors import BuildError
from builder.media import iso
from builder.media.grub import check_installed
from builder.media.model import Maker, Prepared
from builder.media.placing import placed
from builder.run import run
from builder.store import Store, key_of

STATE_PARTITION = "42C0DDB4-5F26-5B19-BAF7-7EDF86D3741B"
BLANK = 1 << 20  # bytes
SECTOR = 512

# As VMware's own export has it: compressed grains in the order of the disk. `compat6`: what vSphere takes since its version 6.
STREAM = "subformat=streamOptimized,adapter_type=lsilogic,compat6"
# The text in which a vmdk describes itself, in its first sectors; zero bytes follow. The number has up to eight digits.
DESCRIPTOR = re.compile(rb"# Disk DescriptorFile\n[^\0]*?^CID=([0-9a-f]{1,8})\n[^\0]*", re.MULTILINE)
DESCRIPTOR_END = 64 * SECTOR


def write_raw(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """The disk as it is written to one, byte for byte."""
    blank = work / "state.img"
    with blank.open("wb") as file:
        file.truncate(BLANK)
    iso.write(prepared, store, work, target, [iso.Partition(STATE_PARTITION, blank)])


def write_vmdk(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """The disk for VMware, as one compressed file that is sent as it is."""
    with placed(target) as made:
        convert(prepared, store, work, made, "vmdk", STREAM)
        name_content(made, key_of("vmdk", {**vars(prepared), "secure": None}))


def write_qcow2(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """The disk for QEMU, KVM and OpenStack; it takes room as the node fills it."""
    with placed(target) as made:
        convert(prepared, store, work, made, "qcow2", "compat=1.1")


def convert(prepared: Prepared, store: Store, work: Path, made: Path, form: str, options: str) -> None:
    """The disk at its full size in another form."""
    raw = work / "disk.raw"
    write_raw(prepared, store, work, raw)
    os.truncate(raw, max(prepared.disk, raw.stat().st_size))  # a hole, which takes no room in any form
    run(["qemu-img", "convert", "-f", "raw", "-O", form, "-o", options, raw, made], timeout=None)
    raw.unlink()


def capacity(made: Path) -> int:
    """The bytes that the disk in a file of any form has."""
    return int(json.loads(run(["qemu-img", "info", "--output=json", made]).stdout)["virtual-size"])


def name_content(made: Path, seed: str) -> None:
    """Puts a content id that follows from the seed where qemu-img wrote a random one. Raises BuildError where there is none."""
    content_id = hashlib.sha256(seed.encode()).hexdigest()[:8].encode()
    with made.open("r+b") as file:
        found = DESCRIPTOR.search(file.read(DESCRIPTOR_END))
        if found is None:
            raise BuildError(f"{made.name} as qemu-img made it has no content id", why="it was expected in the first 32 KiB")
        at = found.start(1) - found.start()
        file.seek(found.start())
        file.write(found[0][:at] + content_id + found[0][at + len(found[1]) :])


CONVERTING = ("grub-mkimage", "mcopy", "mformat", "mmd", "qemu-img", "xorriso")
MADE_BY = ("grub-mkimage", "mformat", "qemu-img", "xorriso")
CARRIED = {"grub": "grub-mkimage"}
MAKERS = (
    Maker("raw", write_raw, tools=iso.MAKER.tools, versions=iso.MAKER.versions, carried=CARRIED, check=check_installed),
    Maker("qcow2", write_qcow2, tools=CONVERTING, versions=MADE_BY, carried=CARRIED, check=check_installed),
    Maker("vmdk", write_vmdk, tools=CONVERTING, versions=MADE_BY, carried=CARRIED, check=check_installed),
)
