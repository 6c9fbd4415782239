"""What lies on a medium, and what room it takes: read from the bare file, with nothing else at hand."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.errors import InputError
from builder.media.inspection import DESCRIPTOR, SECTOR, form_of, volume_label
from builder.run import run

LAYERS = "/kubeiso/"
BLOCKS = 80  # where the descriptor has the volume's size in sectors; ECMA-119 section 8.4.8
# "File data lba:  0 ,      126 ,        1 ,      110 , '/boot/cmdline'" (xorriso's report_lba)
LOCATED = re.compile(r"^File data lba: +\d+ , +(?P<lba>\d+) , +\d+ , +(?P<size>\d+) , (?P<path>'.*')$", re.MULTILINE)
# "-rwxr-xr-x 0/0   2024544 2017-04-18 16:30 squashfs-root/usr/bin/busybox" (unsquashfs -lln)
LISTED = re.compile(r"^-\S+ \S+ +(?P<size>\d+) \S+ \S+ squashfs-root/(?P<path>.*)$", re.MULTILINE)
RELEASE = "etc/os-release"

IMAGES = "pods' images, layer"
# What a path's beginning says of what it is part of; the first that fits counts.
PLACES = (
    (re.compile(r"containers/(onboot|services|onshutdown)/(?:\d+-)?([^/]+)/"), r"\1 \2"),
    (re.compile(r"usr/share/kubeiso/[^/]+/(?:layers|overlay)/([^/]{12})"), rf"{IMAGES} \1"),
    (re.compile(r"usr/share/kubeiso/"), "pods' images, records"),
    (re.compile(r"(?:usr/)?lib/modules/"), "kernel modules"),
    (re.compile(r"(?:usr/)?lib/firmware/"), "firmware"),
    (re.compile(r"opt/cni/"), "CNI plugins"),
    (re.compile(r""), "the node's root"),
)


@dataclass(frozen=True)
class Layer:
    """A squashfs on the medium. packed: its bytes there. files: what is in it, with the bytes that each has unpacked."""

    path: str
    packed: int
    files: dict[str, int]

    @property
    def unpacked(self) -> int:
        return sum(self.files.values())


@dataclass(frozen=True)
class Contents:
    """A medium. size: bytes of the file. boot: what lies outside the layers, by its path. release: its /etc/os-release."""

    label: str
    size: int
    cmdline: str
    boot: dict[str, int]
    layers: tuple[Layer, ...]
    release: dict[str, str]

    def places(self) -> list[tuple[str, int, int]]:
        """What the layers' files are parts of, with bytes on the medium (by their layers' ratios) and unpacked; largest first."""
        packed: Counter[str] = Counter()
        unpacked: Counter[str] = Counter()
        largest: dict[str, tuple[int, str]] = {}
        for layer in self.layers:
            ratio = layer.packed / max(layer.unpacked, 1)
            for path, size in layer.files.items():
                part = place(path)
                packed[part] += round(size * ratio)
                unpacked[part] += size
                largest[part] = max(largest.get(part, (0, "")), (size, path))
        return [(_named(name, largest[name][1]), size, unpacked[name]) for name, size in packed.most_common()]


def _named(part: str, largest: str) -> str:
    """A layer of an image has no name of its own; its largest file tells what it is."""
    return f"{part}, {largest.rpartition('/')[2]}" if part.startswith(IMAGES) else part


def place(path: str) -> str:
    """The part of the node that a path in its root belongs to."""
    return next(found.expand(name) for pattern, name in PLACES if (found := pattern.match(path)))


def contents(medium: Path) -> Contents:
    """Raises InputError for what is no medium of kubeiso's, ToolMissing without xorriso and unsquashfs."""
    label = volume_label(medium)
    with _plain(medium) as disk:
        _demand_whole(medium, disk)
        found = located(disk)
        layers = {path: where for path, where in found.items() if path.startswith(LAYERS)}
        if not layers or "/boot/cmdline" not in found:
            raise InputError(f"{medium} is an ISO that kubeiso did not make", why=f"it has nothing in {LAYERS}")
        listed = tuple(Layer(path, size, _listed(disk, start)) for path, (start, size) in sorted(layers.items()))
        with_release = next((start for layer in listed if RELEASE in layer.files for start, _ in [layers[layer.path]]), None)
        return Contents(
            label=label, size=medium.stat().st_size, cmdline=_bytes(disk, *found["/boot/cmdline"]).decode().strip(),
            boot={path: size for path, (_, size) in found.items() if path not in layers}, layers=listed,
            release={} if with_release is None else _release(disk, with_release),
        )  # fmt: skip


@contextmanager
def _plain(medium: Path) -> Iterator[Path]:
    """The medium as a plain disk; one in another form is unpacked for as long."""
    form = form_of(medium)
    if form is None:
        yield medium
        return
    with TemporaryDirectory(prefix="kubeiso-") as work:
        raw = Path(work) / "disk"
        run(["qemu-img", "convert", "-f", form, "-O", "raw", medium, raw], timeout=None)
        yield raw


def _demand_whole(medium: Path, disk: Path) -> None:
    """Raises InputError for a file that ends before its volume does."""
    blocks = int.from_bytes(_bytes(disk, DESCRIPTOR + BLOCKS, 4), "little")
    if disk.stat().st_size < blocks * SECTOR:
        why = f"its volume has {blocks * SECTOR} bytes, and the file {disk.stat().st_size}"
        raise InputError(f"{medium} is cut short", why=why, hint="copy or build it again")


def located(disk: Path) -> dict[str, tuple[int, int]]:
    """Each file on the volume: where it begins on the disk, and its size, in bytes."""
    listed = run(["xorriso", "-indev", f"stdio:{disk.absolute()}", "-find", "/", "-type", "f", "-exec", "report_lba"]).stdout
    return {shlex.split(row["path"])[0]: (int(row["lba"]) * SECTOR, int(row["size"])) for row in LOCATED.finditer(listed)}


def _bytes(disk: Path, start: int, size: int) -> bytes:
    with disk.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _listed(disk: Path, start: int) -> dict[str, int]:
    listed = run(["unsquashfs", "-o", str(start), "-lln", disk], timeout=None).stdout
    return {row["path"]: int(row["size"]) for row in LISTED.finditer(listed)}


def _release(disk: Path, start: int) -> dict[str, str]:
    """os-release(5): words as a shell would read them."""
    text = run(["unsquashfs", "-o", str(start), "-cat", disk, RELEASE]).stdout
    return dict(word.partition("=")[::2] for line in text.splitlines() for word in shlex.split(line, comments=True))
