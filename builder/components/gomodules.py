"""Go's module cache (go.dev/ref/mod#module-cache), without what lies in it twice."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

LARGE = 1 << 20
"""Bytes unpacked. Larger modules are kept packed, in about a fifth of that: what is built of them alone is built once."""
LARGE_AT_WORK = 64 << 20
"""The same for modules of programs that have sources of their own, which are built again whenever those are edited."""


def at_work(folder: Path) -> Collection[str]:
    """The modules, as the cache names their folders, of a component with sources of its own; none of one that only has pins."""
    if not any(folder.glob("*.go")):
        return ()
    lines = (folder / "go.sum").read_text().splitlines() if (folder / "go.sum").is_file() else []
    named = (line.split()[:2] for line in lines)
    return {f"{_escaped(path)}@{_escaped(version)}" for path, version in named if not version.endswith("/go.mod")}


def _escaped(name: str) -> str:
    """go.dev/ref/mod#module-cache: "!" and the small letter in place of a capital one."""
    return re.sub("[A-Z]", lambda found: f"!{found[0].lower()}", name)


def settle(modules: Path, kept: Collection[str] = ()) -> None:
    """Each module that has an archive stays once: as its files, or as the archive where they would take much room.

    The archive's hash is noted beside it, and Go compares the archive with it before it unpacks. kept: see at_work().
    """
    download = modules / "cache" / "download"
    for archive in download.rglob("*.zip"):
        folder = _unpacked(modules, archive.relative_to(download))
        if not folder.is_dir() and is_zipfile(archive):
            continue  # as it was left before
        large = LARGE_AT_WORK if str(folder.relative_to(modules)) in kept else LARGE
        if _size(archive) > large:
            shutil.rmtree(folder, ignore_errors=True)
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
