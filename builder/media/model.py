"""What the media room gives: files that a machine can boot."""

from dataclasses import dataclass, field
from pathlib import Path

from builder.store import Digest


@dataclass(frozen=True)
class MediaRequest:
    """What goes on a medium.

    root: the root tree's tar in the store. initrd_program: the static /init of the initrd (the component `initrd`).
    label: ISO 9660 volume label, at most 32 of A-Z 0-9 _; the initrd finds the medium by it. changing: blobs of files that
    the next medium may well have others of; each gets a layer of its own, which takes more room and little time.
    """

    root: Digest
    initrd_program: Digest
    label: str
    changing: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Media:
    """A bootable file. kernel and initrd are the store's blobs of what is on it, for direct boots and PXE.

    layers: the squashfs blobs on it, lowest first; not told of a file that was made earlier.
    """

    path: Path
    format: str
    label: str
    size: int
    sha256: Digest
    kernel: Digest
    initrd: Digest
    cmdline: str
    layers: tuple[Digest, ...] = field(default=(), compare=False)
