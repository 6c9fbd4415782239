"""What of the cache may go: all of it, or what was not used for some time. Only names that the store gives are ever removed."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.lock import is_held
from builder.progress import note
from builder.workplace import SUFFIX, sweep

DAY = 86400.0
GO_LOCK = "golang"
"""The lock of whoever uses Go's caches."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Part:
    """Something in the cache: what it is called, and how much room it takes, in bytes."""

    title: str
    size: int


def parts(root: Path) -> list[Part]:
    """What takes the room, largest first."""
    go = root / "scratch" / "go"
    known = {
        "parts, images and layers": root / "blobs", "Go's build cache": go / "compiled", "Go's modules": go / "mod",
        "work under way": root / "tmp", "downloads that broke off": root / "scratch" / "downloads",
    }  # fmt: skip
    return sorted((Part(title, room(path)) for title, path in known.items()), key=lambda part: -part.size)


def room(path: Path) -> int:
    """Bytes on the disk. What goes away meanwhile counts nothing."""
    if not path.is_dir() or path.is_symlink():
        return _blocks(path)
    return sum(_blocks(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0


def under_way(root: Path) -> bool:
    """Whether another run is at work, by its claims; what killed ones left is removed before."""
    sweep(root / "tmp")
    return any(path.name.endswith(SUFFIX) for path in (root / "tmp").iterdir())


def clean(root: Path, *, everything: bool, unused: float, forget: Callable[[str], None]) -> int:
    """Removes blobs and results, with `everything` the tools' caches too; returns the bytes freed.

    unused: only what no run used in so many seconds, the tools' caches included. Beside a run that is under way nothing goes that
    was used in the last day, since that run may have found it there; its work stays in any case.
    forget: is told the name of each blob that went.
    """
    if not unused and under_way(root):
        note("another run is at work: what was used in the last day stays")
        unused = DAY
    before = time.time() - unused if unused else None
    freed = sum(_remove(path, forget) for path in _blobs_and_results(root) if _older(path.lstat().st_atime, before))
    if everything or unused:
        freed += sum(_remove(path) for path in _tools(root, before))
    return freed


def _older(used: float, before: float | None) -> bool:
    return before is None or used < before


def _blobs_and_results(root: Path) -> Iterator[Path]:
    for path in (root / "blobs" / "sha256").iterdir():
        if _DIGEST.fullmatch(path.name):
            yield path
    yield from (root / "results").glob("*.json")


def _tools(root: Path, before: float | None) -> Iterable[Path]:
    """Downloads that broke off and Go's caches, unless Go is at work.

    The time of modification of what Go takes from its build cache is set, at most once an hour (components/gocache.py). Modules
    have no such time: they go together, once nothing in the build cache was used for so long.
    """
    scratch = root / "scratch"
    yield from (path for path in (scratch / "downloads").glob("*.part") if _older(path.lstat().st_mtime, before))
    if is_held(root / "locks" / GO_LOCK):
        return
    go = scratch / "go"
    entries = [path for path in (go / "compiled").rglob("*") if path.is_file()]
    old = [path for path in entries if _older(path.lstat().st_mtime, before)]
    if len(old) == len(entries):
        yield from (path for path in (go / "compiled", go / "mod") if path.exists())
    else:
        yield from old


def _remove(path: Path, forget: Callable[[str], None] = lambda _name: None) -> int:
    freed = room(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    forget(path.name)
    return freed
