"""What the media room gives: files that a machine can boot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.architecture import AMD64, Platform
from builder.store import Digest, Store

BILL = "kubeiso/sbom.spdx.json"
"""Where on a medium its bill of materials lies."""

UNKNOWN = Digest("")
"""In the place of a digest that nobody knows yet."""

DISK = 16 << 30
"""Bytes of a virtual machine's disk where nobody says otherwise."""


@dataclass(frozen=True)
class MediaRequest:
    """What goes on a medium.

    root: the root tree's tar in the store. initrd_program: the static /init of the initrd (the component `initrd`).
    label: ISO 9660 volume label, at most 32 of A-Z 0-9 _; the initrd finds the medium by it. changing: blobs of files that
    the next medium may well have others of; each gets a layer of its own, which takes more room and little time.
    platform: the machines that it is for.
    """

    initrd_program: Digest
    label: str
    root: Digest = UNKNOWN
    changing: tuple[Digest, ...] = ()
    platform: Platform = AMD64


@dataclass(frozen=True)
class SecureBoot:
    """What signs programs for UEFI. key: a file (PEM), or a PKCS#11 URI (RFC 7512); certificate: the key's, a file (PEM)."""

    key: str
    certificate: Path

    @property
    def on_token(self) -> bool:
        """The key is in a token, which does the signing itself."""
        return self.key.startswith("pkcs11:")


@dataclass(frozen=True)
class Prepared:
    """What media of every format are made of.

    layers: path on the medium -> the squashfs blob, lowest first. disk: bytes that a virtual machine's disk has. secure: the key
    that what UEFI starts is signed with. notes: path on the medium -> a file for who looks at the medium; no node reads it.
    platform: the machines that it is for. programs: those of other makers that the medium carries itself, by their names.
    """

    label: str
    cmdline: str
    kernel: Digest
    initrd: Digest
    layers: Mapping[str, Digest]
    disk: int = DISK
    secure: SecureBoot | None = None
    notes: Mapping[str, Digest] = field(default_factory=dict)
    platform: Platform = AMD64
    programs: Mapping[str, Digest] = field(default_factory=dict)

    @property
    def beside(self) -> Mapping[str, Digest]:
        """What lies on the medium beside kernel and initrd, by its path."""
        return {**self.layers, **self.notes}


@dataclass(frozen=True)
class Maker:
    """A format of media. make: writes a file of what was prepared, with a folder for its own work; same bits for the same input.

    tools: the host programs that it runs. versions: those of them whose versions the file's bits depend on. carried: what of the
    host's own gets on the medium, by its name in an SBOM, with the tool whose version is its version. folders: those of pkg/
    whose files the medium carries itself. check: raises ToolMissing for files that a platform's media want and this host has not.
    refuse: raises InputError for a command line of the kernel that the format can't carry. suffix: how the file's name ends,
    where that is not the format.
    """

    format: str
    make: Callable[[Prepared, Store, Path, Path], None]
    tools: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    carried: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    check: Callable[[Platform], None] = lambda _: None
    refuse: Callable[[str], None] = lambda _: None
    suffix: str = ""

    def name(self, stem: str) -> str:
        """The file's name."""
        return f"{stem}.{self.suffix or self.format}"


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
