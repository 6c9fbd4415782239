"""Go's module cache (go.dev/ref/mod#module-cache), without what lies in it twice."""

import shutil
from pathlib import Path
from zipfile import BadZipFile, ZipFile

LARGE = 64 << 20
"""Bytes unpacked. Larger modules (cloud providers' clients, Kubernetes) are kept packed: Go unpacks them again in a few seconds,
and only for the few components that need them."""


def settle(modules: Path) -> None:
    """Each module that has an archive stays once: as its files, or as the archive where they would take much room.

    The archive's hash is noted beside it, and Go compares the archive with it before it unpacks.
    """
    download = modules / "cache" / "download"
    for archive in download.rglob("*.zip"):
        if _size(archive) > LARGE:
            shutil.rmtree(_unpacked(modules, archive.relative_to(download)), ignore_errors=True)
        else:
            archive.unlink()


def _unpacked(modules: Path, archive: Path) -> Path:
    """PATH/@v/VERSION.zip is unpacked as PATH@VERSION; both names are escaped alike."""
    return modules / f"{archive.parents[1]}@{archive.name.removesuffix('.zip')}"


def _size(archive: Path) -> int:
    try:
        with ZipFile(archive) as opened:
            return sum(member.file_size for member in opened.infolist())
    except BadZipFile:  # Go fetches it again
        return 0
