"""Small root tars, a kernel that is one by its header alone, and a reader of the initrd's archives."""

import io
import random
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pefile

from builder.architecture import AMD64
from builder.media.model import MediaRequest
from builder.media.tree import LOCATION, Tree, read_tree
from builder.store import Digest, Store
from builder.tarball import EPOCH

VERSION = "6.12.1-test"
MODULES = f"lib/modules/{VERSION}"
Item = tuple[tarfile.TarInfo, bytes]


def item(
    name: str, content: bytes = b"", *, at: str = "init[0]", type: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "",
    xattrs: dict[str, str] | None = None, device: tuple[int, int] = (0, 0), uid: int = 0,
) -> Item:  # fmt: skip
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname, info.mtime, info.uid = type, mode, len(content), link, EPOCH, uid
    info.devmajor, info.devminor = device
    info.pax_headers = {LOCATION: at, **{f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}}
    return info, content


def folder(name: str, mode: int = 0o755, *, at: str = "init[0]", xattrs: dict[str, str] | None = None) -> Item:
    return item(name, type=tarfile.DIRTYPE, mode=mode, at=at, xattrs=xattrs)


def link(name: str, target: str, *, at: str = "init[0]") -> Item:
    return item(name, type=tarfile.SYMTYPE, mode=0o777, link=target, at=at)


def hard_link(name: str, target: str) -> Item:
    return item(name, type=tarfile.LNKTYPE, link=target)


def pack(items: Iterable[Item]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in items:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tree_of(directory: Path, *items: Item) -> Tree:
    path = directory / "root.tar"
    path.write_bytes(pack(items))
    return read_tree(path)


def change(file: Path, place: int) -> None:
    """One bit."""
    with file.open("r+b") as data:
        data.seek(place)
        (byte,) = data.read(1)
        data.seek(place)
        data.write(bytes([byte ^ 1]))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def kernel(version: str = VERSION) -> bytes:
    image = bytearray(0x400) + f"{version} (builder) #1".encode() + b"\0"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x200)
    return bytes(image)


def node_items(*, hostname: str = "node", modules: str = MODULES) -> list[Item]:
    """A whole small node: kernel, modules, one location that is big enough for a layer of its own, small files."""
    return [
        folder("boot", at="kernel"),
        item("boot/kernel", kernel(), at="kernel"),
        item("boot/cmdline", b"console=ttyS0 quiet", at="kernel"),
        item(f"{modules}/kernel/loop.ko", b"loop module", at="kernel"),
        item(f"{modules}/kernel/sound.ko", b"sound module", at="kernel"),
        item(f"{modules}/modules.dep", b"kernel/loop.ko:\nkernel/sound.ko:\n", at="kernel"),
        item(f"{modules}/modules.alias", b"# comment\nalias devname:loop-control loop\nalias pci:v1* sound\n", at="kernel"),
        item(f"{modules}/modules.softdep", b"", at="kernel"),
        folder("etc"),
        item("etc/hostname", b"localhost\n"),
        item("sbin/init", b"#!/bin/sh\n", mode=0o755),
        item("usr/bin/kubelet", noise(9 << 20), at="services[0]", mode=0o755),
        item("etc/hostname", hostname.encode(), at="files[0]"),
    ]


SYSTEMD = Path("/usr/lib/systemd/boot/efi")
"""Where Debian's package systemd-boot-efi has its programs; Debian 12's are older than those that media carry."""


def systemd() -> dict[str, bytes]:
    """A stub and a menu: this host's, the stub's header with room for as many sections as a newer one's."""
    room, stub = 1 << 10, pefile.PE(SYSTEMD / AMD64.efi_stub, fast_load=True)
    headers = stub.OPTIONAL_HEADER.SizeOfHeaders
    stub.OPTIONAL_HEADER.SizeOfHeaders += room
    for section in stub.sections:
        section.PointerToRawData += room
    data = bytes(stub.write())
    return {
        AMD64.efi_stub: data[:headers] + bytes(room) + data[headers:],
        AMD64.efi_menu: (SYSTEMD / AMD64.efi_menu).read_bytes(),
    }


def programs(store: Store) -> dict[str, Digest]:
    return {name: store.put(data) for name, data in systemd().items()}


def request(store: Store, items: list[Item], label: str = "KUBEISO_TEST") -> MediaRequest:
    return MediaRequest(root=store.put(pack(items)), initrd_program=store.put(b"\x7fELF program"), label=label)


def blobs(store: Store) -> set[Digest]:
    return {Digest(f"sha256:{path.name}") for path in (store.root / "blobs" / "sha256").iterdir()}


def read_newc(data: bytes) -> tuple[dict[str, tuple[int, tuple[int, int], bytes]], int]:
    """Name -> (mode, device, content) of the first archive in `data`, and where it ends."""
    found: dict[str, tuple[int, tuple[int, int], bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        start = at + 110
        name = data[start : start + fields[11] - 1].decode()
        content = start + fields[11] + -(start + fields[11]) % 4
        at = content + fields[6] + -(content + fields[6]) % 4
        if name == "TRAILER!!!":
            return found, at
        found[name] = (fields[1], (fields[9], fields[10]), data[content : content + fields[6]])
