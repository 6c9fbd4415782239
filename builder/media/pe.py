"""Portable executables, as UEFI starts them: sections put behind those of a program (Microsoft's PE Format; UEFI 2.10, 2.1.1)."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pefile

from builder.errors import BuildError

HEADER = 40  # bytes of a section's header (PE Format, "Section Table")
READ_DATA = 0x40000040  # IMAGE_SCN_MEM_READ | IMAGE_SCN_CNT_INITIALIZED_DATA
LIMIT = (1 << 32) - (1 << 20)  # a section's place and size have 32 bits


@dataclass(frozen=True)
class Section:
    """A section of a program: its name, where it is in memory, its bytes there, and where they are in the file."""

    name: str
    address: int
    size: int
    at: int


def sections(program: Path) -> Mapping[str, Section]:
    """By their names, the first of each name. Raises BuildError for a file that is no PE program."""
    found: dict[str, Section] = {}
    with _opened(program) as pe:
        for each in pe.sections:
            found.setdefault(_name(each), Section(_name(each), *_place(each)))
    return found


def append(program: Path, added: Sequence[tuple[str, Path]], target: Path) -> None:
    """Writes the program with further sections, each with a file's bytes, in their order, and without what is for debuggers.

    Raises BuildError where the program's header has no room for them, or all is more than a PE can hold.
    """
    with _opened(program) as pe:
        align, page = pe.OPTIONAL_HEADER.FileAlignment, pe.OPTIONAL_HEADER.SectionAlignment
        end = max(each.get_file_offset() for each in pe.sections) + HEADER
        if end + HEADER * len(added) > pe.OPTIONAL_HEADER.SizeOfHeaders:
            raise BuildError(f"the header of {program} has no room for {len(added)} sections", hint="take another version of it")
        body = _up(max(each.PointerToRawData + each.SizeOfRawData for each in pe.sections), align)
        placed = _headers(pe, added, body, end)
        _account(pe, placed, page)
        start = bytes(pe.write())[:body].ljust(body, b"\0")
    with target.open("wb") as out:
        out.write(start[:end] + b"".join(header for header, _ in placed) + start[end + HEADER * len(placed) :])
        for _, source in placed:
            with source.open("rb") as content:
                shutil.copyfileobj(content, out, 1 << 20)
            out.write(bytes(-out.tell() % align))


def _headers(pe: pefile.PE, added: Sequence[tuple[str, Path]], body: int, end: int) -> list[tuple[bytes, Path]]:
    """The headers of new sections: each in the file behind the one before, and in memory on pages of its own."""
    page, align = pe.OPTIONAL_HEADER.SectionAlignment, pe.OPTIONAL_HEADER.FileAlignment
    address = max(each.VirtualAddress + each.Misc_VirtualSize for each in pe.sections)
    made = []
    for number, (name, source) in enumerate(added):
        size, address = source.stat().st_size, _up(address, page)
        if max(address, body) + size > LIMIT:
            raise BuildError(f"the section {name} of {size} bytes goes beyond what a PE program can hold")
        header = pefile.SectionStructure(pe.__IMAGE_SECTION_HEADER_format__, pe=pe)
        header.__unpack__(bytes(header.sizeof()))
        header.set_file_offset(end + HEADER * number)
        header.Name, header.Characteristics = name.encode().ljust(8, b"\0"), READ_DATA
        header.Misc_VirtualSize, header.VirtualAddress = size, address
        header.SizeOfRawData, header.PointerToRawData = _up(size, align), body
        made.append((bytes(header.__pack__()), source))
        address, body = address + size, body + _up(size, align)
    return made


def _account(pe: pefile.PE, placed: Sequence[tuple[bytes, Path]], page: int) -> None:
    """What the header says of the whole."""
    last, source = placed[-1]
    pe.FILE_HEADER.NumberOfSections += len(placed)
    pe.FILE_HEADER.PointerToSymbolTable = pe.FILE_HEADER.NumberOfSymbols = 0
    pe.OPTIONAL_HEADER.CheckSum = 0  # UEFI looks at none
    pe.OPTIONAL_HEADER.SizeOfImage = _up(int.from_bytes(last[12:16], "little") + source.stat().st_size, page)
    pe.OPTIONAL_HEADER.SizeOfInitializedData += sum(int.from_bytes(header[16:20], "little") for header, _ in placed)


def _opened(program: Path) -> pefile.PE:
    try:
        return pefile.PE(program, fast_load=True)
    except pefile.PEFormatError as error:
        raise BuildError(f"{program} is no PE program", why=str(error.value)) from error


def _name(section: pefile.SectionStructure) -> str:
    return bytes(section.Name).rstrip(b"\0").decode("ascii", "replace")


def _place(section: pefile.SectionStructure) -> tuple[int, int, int]:
    return section.VirtualAddress, section.Misc_VirtualSize, section.PointerToRawData


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
