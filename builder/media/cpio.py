"""Writes cpio archives as the kernel unpacks them: "newc" (Documentation/driver-api/early-userspace/buffer-format.rst)."""

import stat
from dataclasses import dataclass
from typing import IO

from builder.tarball import EPOCH

TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Member:
    """One file of the archive, owned by root. `mode` has the type's bits too; `device` is (major, minor) of a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str) -> Member:
    return Member(name, stat.S_IFDIR | 0o755)


def regular(name: str, data: bytes, mode: int = 0o644) -> Member:
    return Member(name, stat.S_IFREG | mode, data)


def character_device(name: str, major: int, minor: int) -> Member:
    return Member(name, stat.S_IFCHR | 0o600, device=(major, minor))


def write(out: IO[bytes], members: list[Member]) -> None:
    """Writes the members in the given order, directories before what is in them, and the trailer."""
    for number, member in enumerate(members, start=1):
        out.write(record(number, member))
    out.write(record(0, Member(TRAILER, 0)))


def record(inode: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (
        inode, member.mode, 0, 0, links, EPOCH if inode else 0, len(member.data),
        0, 0, *member.device, len(name), 0,
    )  # fmt: skip
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + name) + padded(member.data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
