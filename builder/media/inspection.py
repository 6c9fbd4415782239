"""What is on a medium that was made earlier or elsewhere."""

import os
import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.errors import InputError
from builder.media.model import Media
from builder.run import run
from builder.store import Store, file_digest

# The primary volume descriptor is in sector 16; ECMA-119 sections 6.7.1 and 8.4.
SECTOR = 2048
DESCRIPTOR = 16 * SECTOR
MAGIC = b"\x01CD001"
LABEL = slice(40, 72)

KERNEL, INITRD, CMDLINE = "/boot/kernel", "/boot/initrd.img", "/boot/cmdline"


BLOCKS = 80  # where the descriptor has the volume's size in sectors; ECMA-119 section 8.4.8
# "File data lba:  0 ,      126 ,        1 ,      110 , '/boot/cmdline'" (xorriso's report_lba)
LOCATED = re.compile(r"^File data lba: +\d+ , +(?P<lba>\d+) , +\d+ , +(?P<size>\d+) , (?P<path>'.*')$", re.MULTILINE)

OWN_LABELS = "KUBEISO"
# Forms of disks whose content is not what lies in the file, as qemu-img calls them, by the file's first bytes.
FORMS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk"}


def volume_label(path: Path) -> str:
    """The label of an ISO 9660 file system, in an ISO or on a disk. Raises InputError when there is none, or can't be read."""
    try:
        sector = _start(path)[DESCRIPTOR:]
    except OSError as error:
        raise InputError(f"{path} can't be read", why=error.strerror or str(error), hint="kubeiso build makes an ISO") from error
    if len(sector) < SECTOR or not sector.startswith(MAGIC):
        raise InputError(f"{path} is no ISO", why="it has no ISO 9660 volume descriptor", hint="kubeiso build makes one")
    return sector[LABEL].decode("ascii", "replace").rstrip()


def _start(path: Path) -> bytes:
    """What lies at the beginning of the disk in a file, up to the volume's descriptor."""
    size, form = DESCRIPTOR + SECTOR, form_of(path)
    if form is None:
        with path.open("rb") as file:
            return file.read(size)
    with TemporaryDirectory(prefix="kubeiso-") as work:
        target = Path(work) / "start"
        run(["qemu-img", "dd", "-f", form, "-O", "raw", f"if={path}", f"of={target}", f"bs={size}", "count=1"])
        return target.read_bytes()[:size]


def form_of(path: Path) -> str | None:
    """What qemu-img calls the form of the disk in a file; None for a plain one."""
    with path.open("rb") as file:
        return FORMS.get(file.read(4))


def demand_whole(medium: Path, disk: Path) -> None:
    """Raises InputError for a file that ends before its volume does."""
    blocks = int.from_bytes(_start(disk)[DESCRIPTOR + BLOCKS :][:4], "little")
    if disk.stat().st_size < blocks * SECTOR:
        why = f"its volume has {blocks * SECTOR} bytes, and the file {disk.stat().st_size}"
        raise InputError(f"{medium} is cut short", why=why, hint="copy or build it again")


def located(disk: Path) -> dict[str, tuple[int, int]]:
    """Each file on the volume: where it begins on the disk, and its size, in bytes."""
    listed = run(["xorriso", "-indev", f"stdio:{disk.absolute()}", "-find", "/", "-type", "f", "-exec", "report_lba"]).stdout
    return {shlex.split(row["path"])[0]: (int(row["lba"]) * SECTOR, int(row["size"])) for row in LOCATED.finditer(listed)}


def extract_argv(path: Path, into: Path) -> list[str]:
    """Takes the three files of a direct boot out of an ISO; one that is not there is told in the messages alone."""
    argv = ["xorriso", "-abort_on", "NEVER", "-indev", f"stdio:{path}", "-osirrox", "on"]
    for name in (KERNEL, INITRD, CMDLINE):
        argv += ["-extract_single", name, os.fspath(into / Path(name).name)]
    return argv


def demand_own(path: Path, store: Store) -> None:
    """Raises InputError for what is no medium of kubeiso's; of a disk in a form of its own only the label is looked at."""
    label = volume_label(path)
    if form_of(path) is None:
        inspect_iso(path, store)
    elif not label.startswith(OWN_LABELS):
        raise InputError(
            f"{path} is a disk that kubeiso did not make", why=f"its label is {label}", hint="kubeiso build makes one"
        )


def inspect_iso(path: Path, store: Store) -> Media:
    """What `make_iso` gave when it made this file; kernel and initrd are put into the store.

    Raises InputError when the file is no ISO, or one that kubeiso did not make.
    """
    label = volume_label(path)
    with store.workdir("inspect") as work:
        run(extract_argv(path.absolute(), work), check=False)
        kernel, initrd, cmdline = (work / Path(name).name for name in (KERNEL, INITRD, CMDLINE))
        missing = [f"/boot/{file.name}" for file in (kernel, initrd, cmdline) if not file.is_file()]
        if missing:
            why = f"it has no {', '.join(missing)}"
            raise InputError(f"{path} is an ISO that kubeiso did not make", why=why, hint="kubeiso build makes one")
        return Media(
            path=path, format="iso", label=label, size=path.stat().st_size, sha256=file_digest(path),
            kernel=store.put_file(kernel), initrd=store.put_file(initrd), cmdline=cmdline.read_text().strip(),
        )  # fmt: skip
