"""cpio archives in the "newc" format, which the Linux kernel unpacks as an initramfs.

Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO

MAGIC, HEADER = b"070701", 110  # of the header in bytes
S_IFDIR, S_IFREG, S_IFLNK, S_IFCHR = 0o040000, 0o100000, 0o120000, 0o020000


@dataclass(frozen=True)
class Entry:
    """One member: `path` without a leading slash, `mode` with its type bits, `device` (major, minor) for a device node."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, S_IFDIR | mode)


def file(path: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, S_IFREG | mode, data)


def symlink(path: str, target: str) -> Entry:
    return Entry(path, S_IFLNK | 0o777, target.encode())


def device(path: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    """A character device node; no privilege is needed to write one into an archive."""
    return Entry(path, S_IFCHR | mode, device=(major, minor))


def newc(entries: Iterable[Entry]) -> bytes:
    """The archive of the entries in the given order (parents first), owned by root, with time 0: the same bits each time."""
    members = [*entries, Entry("TRAILER!!!", 0)]
    return b"".join(_member(entry, inode) for inode, entry in enumerate(members, start=1))


def write_files(out: IO[bytes], files: Mapping[str, Path]) -> None:
    """An archive of files on disk and the directories above them, written as they are read. A file has less than 4 GiB."""
    folders = sorted({str(parent) for path in files for parent in PurePosixPath(path).parents if parent.name})
    inodes = count(1)
    for path in folders:
        out.write(_member(directory(path), next(inodes)))
    for path, source in sorted(files.items()):
        size = source.stat().st_size
        out.write(_header(file(path, b""), next(inodes), size))
        with source.open("rb") as content:
            shutil.copyfileobj(content, out, 1 << 20)
        out.write(bytes(-size % 4))
    out.write(_member(Entry("TRAILER!!!", 0), next(inodes)))


def listed(file: IO[bytes], start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Regular files of the archives that lie one behind another in a file: name, where the bytes begin, how many they are.

    Ends at `end`, or where something else begins, such as a compressed archive. Raises ValueError where an archive is cut short.
    """
    while start + HEADER <= end:
        file.seek(start)
        header = file.read(HEADER)
        if not header.startswith(MAGIC):
            if header[:4] != bytes(4):
                return
            start += 4  # between two archives there may be zeroes
            continue
        mode, size, length = (int(header[6 + 8 * field : 14 + 8 * field], 16) for field in (1, 6, 11))
        name = file.read(length)[:-1].decode(errors="replace")
        content = _up(start + HEADER + length)
        if content + size > end:
            raise ValueError(f"the archive ends within {name}")
        if mode & 0o170000 == S_IFREG:
            yield name, content, size
        start = _up(content + size)


def _up(place: int) -> int:
    return -(-place // 4) * 4


def _member(entry: Entry, inode: int) -> bytes:
    return _header(entry, inode, len(entry.data)) + padded(entry.data)


def _header(entry: Entry, inode: int, size: int) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if entry.mode & 0o170000 == S_IFDIR else 1
    # inode, mode, uid, gid, links, mtime, size, device of the archive (2), device of the node (2), length of the name, checksum
    fields = (inode, entry.mode, 0, 0, links, 0, size, 0, 0, *entry.device, len(name), 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    return padded(header + name)


def padded(data: bytes) -> bytes:
    """The kernel looks for what comes next at a multiple of four bytes."""
    return data + b"\0" * (-len(data) % 4)
