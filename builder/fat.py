"""FAT file systems with what UEFI starts from a medium."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from builder import moment
from builder.run import run

SECTOR = 512
# 2 MiB, a FAT12 with room for GRUB. What a larger one has besides its program, beside 2% of that for its own tables.
LEAST, SPARE = 4096, 2048
SERIAL = "4b494f00"


def sectors(files: Iterable[Path]) -> int:
    """What the file system has, in sectors."""
    return max(LEAST, SPARE + sum(file.stat().st_size for file in files) // SECTOR * 51 // 50)


def boot_path(efi_file: str) -> str:
    """Where firmware looks for the program that it starts (UEFI 2.10, 3.5.1.1)."""
    return f"EFI/BOOT/{efi_file}"


def write_efi(target: Path, files: Mapping[str, Path]) -> Path:
    """Makes a file system with the files at their paths, the same bits each time."""
    clock = moment.environment()
    image, size = os.fspath(target), str(sectors(files.values()))
    run(["mformat", "-C", "-i", image, "-T", size, "-h", "64", "-s", "32", "-N", SERIAL, "-v", "EFI", "::"], env=clock)
    folders = sorted({str(parent) for path in files for parent in PurePosixPath(path).parents if str(parent) != "."})
    run(["mmd", "-i", image, *(f"::{folder}" for folder in folders)], env=clock)
    for path, file in sorted(files.items()):
        run(["mcopy", "-i", image, os.fspath(file), f"::{path}"], env=clock, timeout=None)
    return target
