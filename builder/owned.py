"""Directories that this program made: each holds a marker from its first moment, and nothing without one is ever removed."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from builder.aside import write_aside
from builder.errors import BuildError, InputError

SHOWN = 4
"""So many names of what lies in a strange directory are told."""


def make(directory: Path, marker: str, what: str) -> None:
    """Makes the directory for this user alone, with its marker; does nothing where that is there already.

    what: what the directory is to be, such as "the cluster try". Raises InputError where it holds anything else.
    """
    refuse_strange(directory, marker, what)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / marker).exists():
        mark(directory, marker, what)


def mark(directory: Path, marker: str, what: str) -> None:
    """Makes a directory ours that is known to be so by other signs."""
    write_aside(directory / marker, f"{what}: made by kubeiso, which removes this directory with all that is in it\n")


def is_owned(directory: Path, marker: str) -> bool:
    return (directory / marker).is_file() and not directory.is_symlink()


def refuse_strange(directory: Path, marker: str, what: str) -> None:
    """Raises InputError where something lies at that path that this program did not make. An empty directory is nobody's."""
    if is_owned(directory, marker) or not (directory.exists() or directory.is_symlink()):
        return
    held = sorted(path.name for path in directory.iterdir()) if directory.is_dir() and not directory.is_symlink() else [""]
    if held:
        names = some(held)
        why = f"it holds {names}, and no {marker}" if names else "it is no directory of its own"
        raise InputError(
            f"{directory} is not kubeiso's, and can't be {what}", why=why, hint="take another name, or move it away by hand"
        )


def some(names: Sequence[str]) -> str:
    """The first names of what lies in a strange directory."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def remove(directory: Path, marker: str) -> None:
    """Removes the directory with all that is in it. Raises as `clear` does."""
    clear(directory, marker)
    (directory / marker).unlink()
    directory.rmdir()


def clear(directory: Path, marker: str, keep: Collection[str] = ()) -> None:
    """Removes all that is in the directory but its marker, and what has one of the names to `keep`.

    Raises BuildError where it has none, and where something stays.
    """
    if not is_owned(directory, marker):
        raise BuildError(f"{directory} is not removed", why=f"it has no {marker}, so kubeiso did not make it")
    failed: list[str] = []
    for path in sorted(directory.iterdir()):
        if path.name not in (marker, *keep):
            _remove(path, failed)
    if failed:
        hint = "remove it by hand; the directory is kept until then"
        raise BuildError(f"{directory} can't be removed whole", details=tuple(failed[:10]), hint=hint)


def _remove(path: Path, failed: list[str]) -> None:
    def note(_: object, where: str, error: BaseException | tuple[type, BaseException, object]) -> None:
        failed.append(f"{where}: {error[1] if isinstance(error, tuple) else error}")

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
        return
    try:
        path.unlink()
    except OSError as error:
        failed.append(f"{path}: {error}")
