"""What lies on a medium, and what room it takes: read from the bare file, with nothing else at hand."""

import json
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.media.model import BILL as BILL_PATH
from builder.media.volume import opened
from builder.run import run

LAYERS = "/kubeiso/"
BILL = f"/{BILL_PATH}"
NO_LICENCE = {"AND", "OR", "WITH", "NOASSERTION", ""}
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
class Summary:
    """A bill of materials in short. name: of what it is about. kinds: how many parts of each kind. components: their versions."""

    name: str
    id: str
    kinds: dict[str, int]
    components: dict[str, str]
    licences: tuple[str, ...]

    @classmethod
    def of(cls, bill: dict[str, Any]) -> "Summary":
        """From an SPDX document, whose identifiers begin with the kind (builder/provenance/bill.py)."""
        packages = [(package["SPDXID"].removeprefix("SPDXRef-").partition("-")[0], package) for package in bill["packages"]]
        node = next((package for kind, package in packages if kind == "Node"), {"name": bill["name"], "versionInfo": ""})
        said = (str(package.get("licenseDeclared", "")) for _, package in packages)
        return cls(
            name=node["name"], id=node["versionInfo"], kinds=dict(sorted(Counter(kind for kind, _ in packages).items())),
            components={package["name"]: package["versionInfo"] for kind, package in packages if kind == "Component"},
            licences=tuple(sorted({word for each in said for word in re.findall(r"[\w.-]+", each)} - NO_LICENCE)),
        )  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """A medium. size: bytes of the file. boot: what lies outside the layers, by its path. release: its /etc/os-release.

    bill: what its own bill of materials says it is made of; None on a medium without.
    """

    format: str
    label: str
    size: int
    cmdline: str
    boot: dict[str, int]
    layers: tuple[Layer, ...]
    release: dict[str, str]
    bill: "Summary | None" = None

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
    """Raises InputError for what is no medium of kubeiso's, ToolMissing without unsquashfs and, for most formats, xorriso."""
    with opened(medium) as volume:
        listed = tuple(Layer(path, size, _listed(volume.file, start)) for path, (start, size) in sorted(volume.layers.items()))
        with_release = next((volume.layers[layer.path][0] for layer in listed if RELEASE in layer.files), None)
        return Contents(
            format=volume.format, label=volume.label, size=medium.stat().st_size, cmdline=volume.cmdline, layers=listed,
            boot={path: size for path, (_, size) in volume.places.items() if path not in volume.layers},
            release={} if with_release is None else _release(volume.file, with_release),
            bill=Summary.of(json.loads(volume.read(BILL))) if BILL in volume.places else None,
        )  # fmt: skip


def _listed(disk: Path, start: int) -> dict[str, int]:
    listed = run(["unsquashfs", "-o", str(start), "-lln", disk], timeout=None).stdout
    return {row["path"]: int(row["size"]) for row in LISTED.finditer(listed)}


def _release(disk: Path, start: int) -> dict[str, str]:
    """os-release(5): words as a shell would read them."""
    text = run(["unsquashfs", "-o", str(start), "-cat", disk, RELEASE]).stdout
    return dict(word.partition("=")[::2] for line in text.splitlines() for word in shlex.split(line, comments=True))
