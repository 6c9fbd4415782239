"""The format pxe: what a machine boots over the network with iPXE, as a tar to unpack where a TFTP or HTTP server has its files.

The layers come as one more archive behind the initrd's, so the node needs no network to find its root, and no disk. The initrd's
own program has their digests and goes on with no other.
"""

from pathlib import Path

from builder import cpio
from builder.errors import InputError
from builder.media.grub import words
from builder.media.model import Maker, Prepared
from builder.media.placing import placed
from builder.store import Store, file_digest
from builder.tarball import TarWriter, entry, writing

KERNEL, INITRD, ROOT, SCRIPT, SUMS = "kernel", "initrd.img", "root.img", "boot.ipxe", "SHA256SUMS"
# iPXE with UEFI hands both archives to the kernel by these names; with BIOS it lays one behind the other.
TEXT = """\
#!ipxe
kernel {kernel} initrd={initrd} initrd={root} {cmdline}
initrd {initrd}
initrd {root}
boot
"""


def write(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """Raises InputError for a kernel command line that iPXE can't hand on."""
    made = {
        KERNEL: store.path(prepared.kernel), INITRD: work / INITRD, ROOT: work / ROOT, SCRIPT: work / SCRIPT, SUMS: work / SUMS,
    }  # fmt: skip
    made[SCRIPT].write_text(script(prepared.cmdline))
    made[INITRD].write_bytes(cpio.padded(store.read(prepared.initrd)))
    with made[ROOT].open("wb") as out:
        cpio.write_files(out, {path: store.path(digest) for path, digest in prepared.beside.items()})
    made[SUMS].write_text(
        "".join(f"{file_digest(made[name]).removeprefix('sha256:')}  {name}\n" for name in (KERNEL, INITRD, ROOT, SCRIPT))
    )
    with placed(target) as place, place.open("wb") as file, writing(file) as archive:
        for name, path in made.items():
            _add(archive, name, path)
    for name in (INITRD, ROOT):
        made[name].unlink()


def script(cmdline: str) -> str:
    """The script that iPXE runs. It knows variables, and takes the rest of a line as it is."""
    words(cmdline)
    refuse(cmdline)
    return TEXT.format(kernel=KERNEL, initrd=INITRD, root=ROOT, cmdline=cmdline)


def refuse(cmdline: str) -> None:
    if "${" in cmdline:
        raise InputError("the kernel's command line has ${, which iPXE would fill in", hint="leave it out of kernel.arguments")


def _add(archive: TarWriter, name: str, path: Path) -> None:
    with path.open("rb") as content:
        archive.add(entry(name, mode=0o644, size=path.stat().st_size), content)


MAKER = Maker("pxe", write, refuse=refuse, suffix="pxe.tar")
