"""Files that appear only when they are whole: written aside, in the same directory, then renamed over the target."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.workplace import sweep, workdir

_SETS = ".kubeiso-set-"


@contextmanager
def aside(target: Path) -> Iterator[Path]:
    """A path beside `target` that nobody else uses; what the block wrote there takes the target's place.

    After an exception the target is as it was, and nothing is left beside it. The block has to make the file.
    """
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        yield made
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def write_new(target: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a small file whole where none is. Raises FileExistsError where there is one, which stays as it is."""
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        write_aside(made, data, mode)
        os.link(made, target)
    finally:
        made.unlink(missing_ok=True)


def write_aside(target: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Writes a small file whole, with `mode` less the umask, whatever mode an older file had. Text is written as UTF-8.

    It is safe against a program that ends half-way, a second writer and a loss of power: there is the old file or the new one.
    """
    content = data.encode() if isinstance(data, str) else data
    with aside(target) as made, os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def file_set(folder: Path, first: str) -> Iterator[Path]:
    """An empty folder; the files that the block made there take the place of those of the same names in `folder`, as one set.

    first: the file of which the others tell. At no moment, however the program ends, lies one of the others beside a `first`
    that is not its own: before a new `first` comes, its old companions go. Two sets at once are not mixed: one is there whole.
    After an exception `folder` is as it was.
    """
    sweep(folder, _SETS)
    with workdir(folder, _SETS) as made:
        yield made
        others = sorted(path.name for path in made.iterdir() if path.name != first)
        for path in made.iterdir():
            _to_disk(path)
        with _alone(folder):
            for name in others:
                (folder / name).unlink(missing_ok=True)
            for name in (first, *others):
                (made / name).replace(folder / name)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a folder against others who put a set there; where it has no locks, nobody waits."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
