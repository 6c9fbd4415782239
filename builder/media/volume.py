"""A medium that was made earlier or elsewhere, as what lies on it: each file by its path, wherever in the medium's file it is."""

import json
import struct
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builder import cpio
from builder.architecture import PLATFORMS
from builder.errors import BuildError, InputError
from builder.fat import boot_path
from builder.media import pe, pxe, uki
from builder.media.initrd import CONFIG
from builder.media.inspection import CMDLINE, FORMS, INITRD, KERNEL, demand_whole, located, volume_label
from builder.media.iso import EFI_SYSTEM
from builder.run import run
from builder.store import CHUNK

Place = tuple[int, int]
"""Where in a file something begins, and its size, in bytes."""
SECTOR = 512
PROGRAM, TAR, TAR_AT = b"MZ", b"ustar", 257  # PE Format, "MS-DOS Stub"; ustar's magic (POSIX pax, "ustar Interchange Format")


@dataclass(frozen=True)
class Volume:
    """A medium's content. format: as MAKERS have it ("iso" for raw disks too). file: what the places are in."""

    format: str
    label: str
    cmdline: str
    file: Path
    places: Mapping[str, Place]

    def read(self, path: str) -> bytes:
        return _bytes(self.file, *self.places[path])

    @property
    def layers(self) -> dict[str, Place]:
        return {path: place for path, place in self.places.items() if path.endswith(".squashfs")}


@contextmanager
def opened(medium: Path) -> Iterator[Volume]:
    """Raises InputError for what is no medium of kubeiso's."""
    start = _start(medium)
    if start.startswith(PROGRAM):
        yield _program(medium)
    elif start[TAR_AT:].startswith(TAR):
        with _archive(medium) as found:
            yield found
    else:
        form = FORMS.get(start[:4])
        with _plain(medium, form) as disk:
            yield _iso(medium, disk, form or "iso")


def _start(medium: Path) -> bytes:
    try:
        with medium.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise InputError(f"{medium} can't be read", why=error.strerror or str(error), hint="kubeiso build makes media") from error


def _iso(medium: Path, disk: Path, form: str) -> Volume:
    label = volume_label(disk)
    demand_whole(medium, disk)
    places = located(disk)
    if CMDLINE not in places or not any(path.endswith(".squashfs") for path in places):
        raise InputError(f"{medium} is an ISO that kubeiso did not make", why="it has no layers in /kubeiso/")
    return Volume(form, label, _bytes(disk, *places[CMDLINE]).decode().strip(), disk, places)


@contextmanager
def _plain(medium: Path, form: str | None) -> Iterator[Path]:
    """The medium as a plain disk; one in another form is unpacked for as long."""
    if form is None:
        yield medium
        return
    with TemporaryDirectory(prefix="kubeiso-") as work:
        raw = Path(work) / "disk"
        run(["qemu-img", "convert", "-f", form, "-O", "raw", medium, raw], timeout=None)
        yield raw


def _program(medium: Path) -> Volume:
    try:
        parts = pe.sections(medium)
    except BuildError:
        parts = {}
    if uki.WHERE not in parts:
        raise InputError(f"{medium} is a program that kubeiso did not make", why=f"it has no section {uki.WHERE}")
    if medium.stat().st_size < max(part.at + part.size for part in parts.values()):
        raise InputError(f"{medium} is cut short", why="its sections go beyond its end", hint="copy or build it again")
    label, _, begin = _section(medium, parts[uki.WHERE]).decode().partition(" ")
    initrd = parts[".initrd"]
    places = {KERNEL: _place(parts[".linux"]), INITRD: _place(initrd)}
    if int(begin):
        places = {
            **places, INITRD: (initrd.at, int(begin)), **_layers(medium, initrd.at + int(begin), initrd.at + initrd.size)
        }  # fmt: skip
    return Volume("uki", label, _section(medium, parts[".cmdline"]).decode(), medium, places)


def _section(medium: Path, section: pe.Section) -> bytes:
    return _bytes(medium, *_place(section))


def _place(section: pe.Section) -> Place:
    return section.at, section.size


@contextmanager
def _archive(medium: Path) -> Iterator[Volume]:
    """An OVA, an image for KubeVirt, or what a server for iPXE has."""
    try:
        with tarfile.open(medium) as archive:
            members = {info.name: (info.offset_data, info.size) for info in archive if info.isreg()}
    except tarfile.TarError as error:
        raise InputError(f"{medium} is an archive that can't be read", why=str(error)) from error
    if pxe.SCRIPT in members and pxe.ROOT in members:
        yield _netboot(medium, members)
        return
    with TemporaryDirectory(prefix="kubeiso-") as work:
        disk = Path(work) / "disk"
        form, place = _disk_in(medium, members)
        copy(medium, place, disk)
        with opened(disk) as inside:
            yield Volume(form, inside.label, inside.cmdline, inside.file, inside.places)


def _netboot(medium: Path, members: Mapping[str, Place]) -> Volume:
    start, size = members[pxe.ROOT]
    kernel, initrd = members[pxe.KERNEL], members[pxe.INITRD]
    places = {KERNEL: kernel, INITRD: initrd, **_layers(medium, start, start + size)}
    settings = _settings(medium, initrd)
    command = next(line for line in _bytes(medium, *members[pxe.SCRIPT]).decode().splitlines() if line.startswith("kernel "))
    cmdline = " ".join(word for word in command.split()[2:] if not word.startswith("initrd="))
    return Volume("pxe", str(settings.get("label", "")), cmdline, medium, places)


def _disk_in(medium: Path, members: Mapping[str, Place]) -> tuple[str, Place]:
    """The machine's disk in an archive: an OVA's own, or the one file in the layer of an OCI image."""
    if disks := [place for name, place in members.items() if name.endswith(".vmdk")]:
        return "ova", disks[0]
    if "oci-layout" in members:
        start, _ = max((place for name, place in members.items() if name.startswith("blobs/")), key=lambda place: place[1])
        with medium.open("rb") as file:
            file.seek(start)
            with tarfile.open(fileobj=file, mode="r:") as layer:
                for info in layer:
                    if info.isreg() and info.name.startswith("disk/"):
                        return "containerdisk", (info.offset_data, info.size)
    raise InputError(f"{medium} is an archive that kubeiso did not make", why="it has no machine's disk, and nothing to netboot")


def _layers(medium: Path, start: int, end: int) -> dict[str, Place]:
    with medium.open("rb") as file:
        try:
            return {f"/{name}": (place, size) for name, place, size in cpio.listed(file, start, end)}
        except ValueError as error:
            raise InputError(f"{medium} is cut short", why=str(error), hint="copy or build it again") from error


def uefi_programs(volume: Volume, work: Path) -> list[Path]:
    """The programs that UEFI starts from it, from the EFI partition: the kernel last. None where there is none, as for iPXE."""
    if volume.format == "uki":
        return [volume.file]
    place = efi_partition(volume.file) if volume.format != "pxe" else None
    if place is None:
        return []
    image, names = work / "efi.img", (*(boot_path(platform.efi_file) for platform in PLATFORMS.values()), uki.KERNEL)
    copy(volume.file, place, image)
    made = ((name, work / f"{number}.efi") for number, name in enumerate(names))
    return [path for name, path in made if run(["mcopy", "-n", "-i", image, f"::{name}", path], check=False).code == 0]


def efi_partition(disk: Path) -> Place | None:
    """By the GPT's first header and table (UEFI 2.10, 5.3.2 and 5.3.3), in sectors of 512 bytes."""
    header = _bytes(disk, SECTOR, SECTOR)
    if not header.startswith(b"EFI PART"):
        return None
    table, count, size = struct.unpack_from("<Q", header, 72)[0], *struct.unpack_from("<II", header, 80)
    rows = _bytes(disk, table * SECTOR, min(count, 128) * size)
    for row in (rows[at : at + size] for at in range(0, len(rows), size)):
        if row[:16] == uuid.UUID(EFI_SYSTEM).bytes_le:
            first, last = struct.unpack_from("<QQ", row, 32)
            return first * SECTOR, (last - first + 1) * SECTOR
    return None


def settings_of(volume: Volume) -> dict[str, object]:
    """What the initrd knows: the label, the layers with their digests, the roots of their hashes."""
    return _settings(volume.file, volume.places[INITRD])


def _settings(file: Path, initrd: Place) -> dict[str, object]:
    start, size = initrd
    with file.open("rb") as opened_file:
        found = {name: place for name, *place in cpio.listed(opened_file, start, start + size)}
    if CONFIG not in found:
        return {}
    settings: dict[str, object] = json.loads(_bytes(file, *found[CONFIG]))
    return settings


def _bytes(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as content:
        content.seek(start)
        return content.read(size)


def chunks(source: Path, place: Place) -> Iterator[bytes]:
    """What lies at a place, as far as the file goes."""
    start, left = place
    with source.open("rb") as content:
        content.seek(start)
        while left and (chunk := content.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk


def copy(source: Path, place: Place, target: Path) -> None:
    with target.open("wb") as out:
        out.writelines(chunks(source, place))
