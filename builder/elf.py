"""What an ELF file is for, and what a dynamic one asks for: its loader, its libraries, and where it looks for them.

Formats: System V ABI, chapters 4 and 5 (headers, dynamic section), and its amd64 supplement; 64 bits, little-endian.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
# e_machine of what programs are often built for (the ABI's registry of machines), by Go's names.
MACHINES = {3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
DYNAMIC = struct.Struct("<qQ")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH = 0, 1, 5, 10, 15, 29
GLIBC = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\d]*\0)")

Data = bytes | mmap.mmap


@dataclass(frozen=True)
class Needs:
    """The loader's path ("" for a library or a static program), the libraries' names and the folders of its own search path.

    glibc: the newest version of glibc's symbols that is named: what a program needs, and what a libc.so.6 has; (0, 0) for none.
    """

    loader: str
    libraries: tuple[str, ...]
    search: tuple[str, ...]
    glibc: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Segment:
    type: int
    offset: int
    address: int
    size: int


def machine(start: bytes) -> str | None:
    """What the file with this start (64 bytes) is for, such as "amd64"; None where it is no 64-bit little-endian ELF file."""
    if not start.startswith(MAGIC) or len(start) < HEADER.size:
        return None
    number: int = HEADER.unpack_from(start)[2]
    return MACHINES.get(number, f"machine {number}")


def needs_of(path: Path) -> Needs:
    """Raises as `needs` does."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return needs(data)


def needs(data: Data) -> Needs:
    """Raises ValueError for a file that is not of this kind, and struct.error for one that is cut short."""
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("not a 64-bit little-endian ELF file")
    segments = list(_segments(data))
    loader = "".join(_text(data, each.offset) for each in segments if each.type == PT_INTERP)
    tags = [tag for each in segments if each.type == PT_DYNAMIC for tag in _tags(data, each)]
    names = _offset_of(segments, next((value for tag, value in tags if tag == DT_STRTAB), 0))
    length = next((value for tag, value in tags if tag == DT_STRSZ), 0)
    paths = [_text(data, names + value) for tag, value in tags if tag in (DT_RPATH, DT_RUNPATH)]
    versions = [(int(major), int(minor)) for major, minor in GLIBC.findall(data[names : names + length])]
    return Needs(
        loader=loader,
        libraries=tuple(_text(data, names + value) for tag, value in tags if tag == DT_NEEDED),
        search=tuple(folder for path in paths for folder in path.split(":") if folder),
        glibc=max(versions, default=(0, 0)),
    )


def _segments(data: Data) -> Iterator[Segment]:
    header = HEADER.unpack_from(data)
    start, size, count = header[5], header[9], header[10]
    for index in range(count):
        kind, _, offset, address, _, length, _, _ = SEGMENT.unpack_from(data, start + index * size)
        yield Segment(kind, offset, address, length)


def _tags(data: Data, segment: Segment) -> Iterator[tuple[int, int]]:
    for tag, value in DYNAMIC.iter_unpack(data[segment.offset : segment.offset + segment.size]):
        if tag == DT_NULL:
            return
        yield tag, value


def _offset_of(segments: list[Segment], address: int) -> int:
    """Where in the file lies what is loaded at an address."""
    for each in segments:
        if each.type == PT_LOAD and each.address <= address < each.address + each.size:
            return each.offset + address - each.address
    return 0


def _text(data: Data, offset: int) -> str:
    end = data.find(b"\0", offset)
    if end < 0:
        raise ValueError("a name without an end")
    return data[offset:end].decode()
