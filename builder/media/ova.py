"""The format ova: a machine for ESXi 7 and later as one file, a tar of its descriptor, the digests of all, and its disk.

The descriptor is one of DMTF's OVF 1.1 (DSP0243), with what VMware adds to it.
"""

import hashlib
import tarfile
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from builder.media import disk
from builder.media.grub import check_installed
from builder.media.model import Maker, Prepared
from builder.media.placing import placed
from builder.store import Store, file_digest
from builder.tarball import entry

TEMPLATE = Path(__file__).with_name("ova.ovf")
# Hardware of ESXi 7.0, and the oldest guest that it has for a Linux of these years.
HARDWARE, GUEST = "vmx-17", "other5xLinux64Guest"
PROCESSORS, MEMORY = 2, 4096  # MiB


def write(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """DSP0243 wants the descriptor first and the manifest, with SHA-256 as vSphere 6.5 and later know it, second."""
    machine = work / f"{target.stem}-disk1.vmdk"
    disk.write_vmdk(prepared, store, work, machine)
    ovf = descriptor(target.stem, prepared, machine).encode()
    digests = {f"{target.stem}.ovf": hashlib.sha256(ovf).hexdigest(), machine.name: file_digest(machine).removeprefix("sha256:")}
    manifest = "".join(f"SHA256({name})= {digest}\n" for name, digest in digests.items()).encode()
    with placed(target) as made, made.open("wb") as out:
        for name, content in ((f"{target.stem}.ovf", ovf), (f"{target.stem}.mf", manifest)):
            out.write(head(name, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE))
        size = machine.stat().st_size
        out.write(head(machine.name, size))
        out.flush()
        with machine.open("rb") as source:
            while data := source.read(1 << 20):
                out.write(data)
        out.write(bytes(-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE))
    machine.unlink()


def head(name: str, size: int) -> bytes:
    """ustar, which DSP0243 asks for."""
    return entry(name, mode=0o644, size=size).tobuf(tarfile.USTAR_FORMAT)


def descriptor(name: str, prepared: Prepared, machine: Path) -> str:
    """The OVF of a machine of that name with that disk."""
    template = Environment(undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True).from_string(
        TEMPLATE.read_text()
    )
    return template.render(
        name=name, version=prepared.label, disk_file=machine.name, disk_size=machine.stat().st_size,
        capacity=disk.capacity(machine), hardware=HARDWARE, guest=GUEST, processors=PROCESSORS, memory=MEMORY,
    )  # fmt: skip


MAKER = Maker("ova", write, tools=disk.CONVERTING, versions=disk.MADE_BY, carried=disk.CARRIED, check=check_installed)
