"""FAT file systems with the one program that UEFI starts from a medium."""

import os
from pathlib import Path

from builder import moment
from builder.architecture import Platform
from builder.run import run

SECTOR = 512
# 2 MiB, a FAT12 with room for GRUB. What a larger one has besides its program, beside 2% of that for its own tables.
LEAST, SPARE = 4096, 2048
SERIAL = "4b494f00"


def sectors(program: Path) -> int:
    """What the file system has, in sectors."""
    return max(LEAST, SPARE + program.stat().st_size // SECTOR * 51 // 50)


def write_efi(target: Path, program: Path, platform: Platform) -> Path:
    """Makes a file system with the program where firmware looks for it, the same bits each time."""
    clock = moment.environment()
    image, size = os.fspath(target), str(sectors(program))
    run(["mformat", "-C", "-i", image, "-T", size, "-h", "64", "-s", "32", "-N", SERIAL, "-v", "EFI", "::"], env=clock)
    run(["mmd", "-i", image, "::EFI", "::EFI/BOOT"], env=clock)
    run(["mcopy", "-i", image, os.fspath(program), f"::EFI/BOOT/{platform.efi_file}"], env=clock, timeout=None)
    return target
