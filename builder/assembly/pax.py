"""Writes an archive byte for byte as Go's archive/tar writes the PAX format, so that both assemblers give the same blob."""

import os
import posixpath
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from builder.errors import BuildError
from builder.store import Writer

BLOCK = 512
CHUNK = 1 << 19
HEADER = struct.Struct("<100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
CHECKSUM = slice(148, 156)
PLAIN_KEYS = frozenset(("path", "linkpath", "uname", "gname", "uid", "gid", "size", "mtime", "atime", "ctime"))


@dataclass(frozen=True)
class Span:
    """A part of an open file: `size` bytes from `offset`."""

    file: IO[bytes]
    offset: int
    size: int

    def read(self) -> bytes:
        return os.pread(self.file.fileno(), self.size, self.offset)


Content = bytes | Span | None
Entry = tuple[tarfile.TarInfo, Content]


class PaxWriter:
    """Writes entries to a blob in the caller's order; `advance` is told the bytes written."""

    def __init__(self, out: Writer, advance: Callable[[int], None]) -> None:
        self._out = out
        self._advance = advance
        self._pending = bytearray()

    def add(self, info: tarfile.TarInfo, content: Content = None) -> None:
        """Adds an entry; the content's length must be `info.size`. Raises BuildError where the content ends early."""
        self._pending += encode(info)
        if isinstance(content, Span) and content.size > CHUNK:
            self._copy(content)
        elif content:
            self._pending += content if isinstance(content, bytes) else content.read()
        self._pending += bytes(-info.size % BLOCK if content else 0)
        if len(self._pending) > CHUNK:
            self._flush()

    def close(self) -> None:
        """Writes the archive's end."""
        self._pending += bytes(2 * BLOCK)
        self._flush()

    def _copy(self, span: Span) -> None:
        self._flush()
        position, end, descriptor = span.offset, span.offset + span.size, span.file.fileno()
        while position < end:
            data = os.pread(descriptor, min(CHUNK, end - position), position)
            if not data:
                raise BuildError("a layer of an image ends too early", hint="kubeiso clean, and build again")
            self._out.write(data)
            self._advance(len(data))
            position += len(data)

    def _flush(self) -> None:
        self._out.write(bytes(self._pending))
        self._advance(len(self._pending))
        self._pending.clear()


def encode(info: tarfile.TarInfo) -> bytes:
    """The blocks that come before an entry's content; the entry's other PAX records are taken from `info.pax_headers`."""
    name, records = _bytes(info.name), b"".join(_record(key, value) for key, value in sorted(_records(info).items()))
    main = _block(
        _ascii(name), info.type.replace(b"\0", b"0"), info.size, mode=info.mode, mtime=int(info.mtime // 1), uid=info.uid,
        gid=info.gid, linkname=_ascii(_bytes(info.linkname)), names=(info.uname, info.gname),
        device=(info.devmajor, info.devminor),
    )  # fmt: skip
    return _extended(info.name, records) + main if records else main


def _extended(name: str, records: bytes) -> bytes:
    directory, file = posixpath.split(name)
    holder = clean(posixpath.join(directory, "PaxHeaders.0", file))
    head = _block(_ascii(_bytes(holder))[:100].rstrip(b"/"), b"x", len(records))
    return head + records + bytes(-len(records) % BLOCK)


def _block(
    name: bytes, type: bytes, size: int, *, mode: int = 0, mtime: int = 0, uid: int = 0, gid: int = 0, linkname: bytes = b"",
    names: tuple[str, str] = ("", ""), device: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    major, minor = (_octal(number, 8) for number in device) if device else (b"", b"")
    user, group = (_ascii(_bytes(text))[:32] for text in names)
    block = bytearray(HEADER.pack(
        _cut(name), _octal(mode, 8), _octal(uid, 8), _octal(gid, 8), _octal(size, 12), _octal(mtime, 12), b" " * 8,
        type, _cut(linkname), b"ustar\x0000", user, group, major, minor, b"",
    ))  # fmt: skip
    block[CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _octal(number: int, width: int) -> bytes:
    """A number field; one that does not fit is zero there and has a PAX record."""
    return b"%0*o\0" % (width - 1, number if _fits(number, width) else 0)


def _fits(number: int, width: int) -> bool:
    return 0 <= number < 1 << 3 * (width - 1)


def _cut(name: bytes) -> bytes:
    """The name field: a name cut right behind a slash would be read as a directory's."""
    if len(name) > 100 and name[99:100] == b"/":
        end = len(name[:99].rstrip(b"/"))
        return name[:end] + b"\0" + name[end + 1 : 100]
    return name[:100]


def _records(info: tarfile.TarInfo) -> dict[str, str]:
    """The records that the fields need and those that the entry already had, as archive/tar merges them."""
    had = info.pax_headers
    records = {key: value for key, value in had.items() if key not in PLAIN_KEYS and not key.startswith("GNU.sparse")}
    for key, text, width in (
        ("path", info.name, 100), ("linkpath", info.linkname, 100), ("uname", info.uname, 32), ("gname", info.gname, 32),
    ):  # fmt: skip
        if not text.isascii() or len(text) > width or had.get(key) == text:
            records[key] = text
    for key, number, width in (("uid", info.uid, 8), ("gid", info.gid, 8), ("size", info.size, 12)):
        if not _fits(number, width) or had.get(key) == str(number):
            records[key] = str(number)
    return records | _times(info)


def _times(info: tarfile.TarInfo) -> dict[str, str]:
    """Records of times: access and change where there are any, modification where the header can't hold it."""
    times = {key: pax_time(info.pax_headers[key]) for key in ("atime", "ctime") if info.pax_headers.get(key)}
    had = info.pax_headers.get("mtime")
    exact = pax_time(had) if had and float(had) == info.mtime else str(int(info.mtime))
    if "." in exact or not _fits(int(info.mtime // 1), 12) or had == exact:
        times["mtime"] = exact
    return times


def pax_time(text: str) -> str:
    """Seconds with at most nine decimals and no zeros at the end."""
    seconds, _, fraction = text.partition(".")
    fraction = fraction[:9].rstrip("0")
    return f"{seconds}.{fraction}" if fraction else str(int(seconds))


def _record(key: str, value: str) -> bytes:
    body = _bytes(f" {key}={value}\n")
    size = len(body) + len(str(len(body)))
    return b"%d" % (size if size == len(body) + len(str(size)) else size + 1) + body


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _ascii(text: bytes) -> bytes:
    return text if text.isascii() else bytes(byte for byte in text if byte < 0x80)


def clean(path: str) -> str:
    """The shortest form of a path, as Go's path.Clean has it."""
    short = posixpath.normpath(path)
    return short[1:] if short.startswith("//") else short
