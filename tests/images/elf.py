"""What a dynamic ELF file asks for: its loader, its libraries, and where it looks for them.

Formats: System V ABI, chapter 5 (program header, dynamic section), and its amd64 supplement; 64 bits, little-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
DYNAMIC = struct.Struct("<qQ")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 1, 5, 15, 29


@dataclass(frozen=True)
class Needs:
    """The loader's path ("" for a library or a static program), the libraries' names and the folders of its own search path."""

    loader: str
    libraries: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    type: int
    offset: int
    address: int
    size: int


def needs(data: bytes) -> Needs:
    """Raises ValueError for a file that is not of this kind, and struct.error for one that is cut short."""
    if not data.startswith(MAGIC):
        raise ValueError("not a 64-bit little-endian ELF file")
    segments = list(_segments(data))
    loader = "".join(_text(data, each.offset) for each in segments if each.type == PT_INTERP)
    tags = [tag for each in segments if each.type == PT_DYNAMIC for tag in _tags(data, each)]
    names = _offset_of(segments, next((value for tag, value in tags if tag == DT_STRTAB), 0))
    paths = [_text(data, names + value) for tag, value in tags if tag in (DT_RPATH, DT_RUNPATH)]
    return Needs(
        loader=loader,
        libraries=tuple(_text(data, names + value) for tag, value in tags if tag == DT_NEEDED),
        search=tuple(folder for path in paths for folder in path.split(":") if folder),
    )


def _segments(data: bytes) -> Iterator[Segment]:
    header = HEADER.unpack_from(data)
    start, size, count = header[5], header[9], header[10]
    for index in range(count):
        kind, _, offset, address, _, length, _, _ = SEGMENT.unpack_from(data, start + index * size)
        yield Segment(kind, offset, address, length)


def _tags(data: bytes, segment: Segment) -> Iterator[tuple[int, int]]:
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


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
