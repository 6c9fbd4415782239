"""Toy packages, modules and components for the tests of the images room."""

import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

from builder import oci
from builder.components.model import Component
from builder.run import run
from builder.store import Digest, Store


def make_deb(store: Store, work: Path, name: str, files: Mapping[str, bytes | str], links: Mapping[str, str] = {}) -> Digest:
    """A package: file -> bytes (0644, 0755 below bin or sbin), file -> str is a link's target, "dir/" an empty directory.

    `links` are hard links: name -> another name.
    """
    root = work / f"deb-{name}"
    for path, content in files.items():
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)
            place.chmod(0o755 if "bin/" in path else 0o644)
    for path, target in links.items():
        (root / path).hardlink_to(root / target)
    (root / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: tests <tests@kubeiso.dev>\nDescription: a toy\n"
    (root / "DEBIAN" / "control").write_text(control)
    deb = work / f"{name}.deb"
    run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", root, deb])
    return store.put_file(deb)


def make_component(store: Store, name: str, version: str, **files: bytes) -> Component:
    return Component(
        name=name, version=version, source="local", files={file: store.put(data) for file, data in files.items()}
    )  # fmt: skip


def make_module(info: Mapping[str, str]) -> bytes:
    """The smallest ELF file that depmod takes for a kernel module: a .modinfo section with `info`."""
    modinfo = b"".join(f"\0{key}={value}\0".encode() for key, value in info.items())
    names = b"\0.modinfo\0.shstrtab\0.strtab\0.symtab\0"
    parts = [modinfo, names, b"\0", bytes(24)]
    offsets = [64 + sum(len(part) for part in parts[:count]) for count in range(len(parts))]

    def section(name: bytes, kind: int, index: int, link: int = 0, size: int = 0) -> bytes:
        place = names.index(b"\0" + name + b"\0") + 1
        return struct.pack("<IIQQQQIIQQ", place, kind, 2, 0, offsets[index], len(parts[index]), link, 0, 1, size)

    sections = bytes(64) + section(b".modinfo", 1, 0) + section(b".shstrtab", 3, 1)
    sections += section(b".strtab", 3, 2) + section(b".symtab", 2, 3, link=3, size=24)
    start = 64 + sum(len(part) for part in parts)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, start, 0, 64, 0, 0, 64, 5, 2)
    return head + b"".join(parts) + sections


def make_image(store: Store, name: str, *layers: Mapping[str, bytes | str]) -> oci.Image:
    """An image with a layer for each mapping: file -> bytes, link -> str, "dir/" -> b""."""
    return oci.write_image(store, name, [store.put(tar_of(layer)) for layer in layers], oci.Process())


def tar_of(files: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.uid, info.gid = 7, 8
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o750
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size, info.mode = len(content), 0o755 if "bin/" in name else 0o644
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def layer_of(store: Store, image: oci.Image) -> dict[str, tarfile.TarInfo]:
    """The entries of an image's layers by name; files of no two layers have one name."""
    found: dict[str, tarfile.TarInfo] = {}
    for path in oci.layer_paths(store, image.digest):
        entries = {info.name: info for info, _ in oci.layer_entries(path)}
        assert all(found[name].isdir() for name in found.keys() & entries.keys())
        found |= entries
    return found


def read(store: Store, image: oci.Image, name: str) -> bytes:
    """The bytes of a file in an image."""
    for path in oci.layer_paths(store, image.digest):
        with tarfile.open(path) as archive:
            if name in archive.getnames():
                file = archive.extractfile(name)
                assert file, name
                return file.read()
    raise AssertionError(f"no layer has {name}")
