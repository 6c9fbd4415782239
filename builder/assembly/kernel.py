"""The kernel of a root tree (kernelFilter of LinuxKit's moby/build/build.go)."""

import io
import os
import tarfile
from collections.abc import Iterator
from typing import Any

from builder import tarball
from builder.assembly.flatten import headers, image_entries
from builder.assembly.pax import Content, Entry, Span
from builder.assembly.references import image_named
from builder.assembly.rootfs import labelled
from builder.errors import BuildError
from builder.linuxkit.model import Kernel
from builder.references import expand
from builder.store import Store


def kernel_entries(kernel: Kernel, store: Store) -> Iterator[Entry]:
    """boot/kernel, boot/cmdline and boot/ucode.cpio, and what the image's kernel.tar holds; all else is left out."""
    source = expand(kernel.image)
    archive = "kernel.tar" if kernel.tar is None else "" if kernel.tar == "none" else kernel.tar
    names = {kernel.ucode or "": "ucode", archive: "tar", kernel.binary or "kernel": "kernel"}
    found: set[str] = set()
    for info, content in image_entries(store, image_named(store, kernel.image)):
        part = names.get(info.name) if info.name else None
        if part == "tar" and isinstance(content, Span):
            found.add(part)
            yield from _unpacked(content, source)
        elif part:
            if not found & {"kernel", "ucode"}:
                yield _boot(info, "boot", mode=0o755, type=tarfile.DIRTYPE, source=source), None
            found.add(part)
            yield from _boot_files(part, info, content, kernel.cmdline.encode(), source)
    for part, name in (("kernel", kernel.binary or "kernel"), ("tar", archive)):
        if name and part not in found:
            raise BuildError(f"the kernel image has no file {name}", why=kernel.image)


def _boot(
    like: tarfile.TarInfo, name: str, *, mode: int, source: str, type: bytes = tarfile.REGTYPE, size: int = 0
) -> tarfile.TarInfo:
    info = tarball.entry(name, mode=mode, type=type, size=size)
    info.pax_headers = like.pax_headers
    return labelled(info, source, "kernel")


def _boot_files(part: str, info: tarfile.TarInfo, content: Content, cmdline: bytes, source: str) -> Iterator[Entry]:
    if not isinstance(content, Span):
        raise BuildError(f"{info.name} in the kernel image is no regular file", why=source)
    if part == "kernel":
        yield _boot(info, "boot/cmdline", mode=0o644, size=len(cmdline), source=source), cmdline
    name = "boot/kernel" if part == "kernel" else "boot/ucode.cpio"
    yield _boot(info, name, mode=info.mode, size=info.size, source=source), content


def _unpacked(archive: Span, source: str) -> Iterator[Entry]:
    """The entries of an archive inside a layer, with their names as they are there."""
    for info in headers(io.BufferedReader(SpanReader(archive))):
        if info.isdir() and _ends_in_slash(archive, info):
            info.name += "/"  # tarfile takes it away
        content = Span(archive.file, archive.offset + info.offset_data, info.size) if info.isreg() else None
        yield labelled(info, source, "kernel"), content


def _ends_in_slash(archive: Span, info: tarfile.TarInfo) -> bool:
    if "path" in info.pax_headers:
        return info.pax_headers["path"].endswith("/")
    field = os.pread(archive.file.fileno(), 100, archive.offset + info.offset_data - tarfile.BLOCKSIZE).rstrip(b"\0")
    return field.endswith(b"/") or len(field) == 100  # a name that is cut has its whole form in a GNU record, with the slash


class SpanReader(io.RawIOBase):
    """A span as a file of its own."""

    name = "kernel.tar"

    def __init__(self, span: Span) -> None:
        self._span = span
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._span.size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        size = max(0, min(len(buffer), self._span.size - self._position))
        data = os.pread(self._span.file.fileno(), size, self._span.offset + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
