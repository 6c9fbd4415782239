"""Clusters on this machine, each a directory with everything that it needs: `down` works from it alone."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from builder.aside import write_aside
from builder.cluster.model import Cluster
from builder.errors import InputError


def clusters_root() -> Path:
    """$KUBEISO_STATE, or kubeiso/ under $XDG_STATE_HOME (default ~/.local/state)."""
    named = os.environ.get("KUBEISO_STATE")
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Path(named).absolute() if named else base / "kubeiso"


def directory_of(name: str) -> Path:
    """Where the cluster of that name lies; it need not exist. Socket paths must stay under 108 bytes (unix(7))."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", name):
        raise InputError(f"{name!r} is no name for a cluster", hint="take small letters, digits and hyphens, at most 32")
    directory = clusters_root() / name
    if len(str(directory)) > 70:
        raise InputError(f"the path {directory} is too long for sockets", hint="set KUBEISO_STATE to a shorter directory")
    return directory


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """The cluster's directory, for one program at a time. Raises InputError when another holds it.

    The lock's file goes with the cluster: whoever leaves no directory behind removes it.
    """
    directory = directory_of(name)
    directory.parent.mkdir(parents=True, exist_ok=True)
    path = directory.with_name(f".{name}.lock")
    with _lock(path, name):
        try:
            yield directory
        finally:
            if not directory.exists():
                path.unlink(missing_ok=True)


def _lock(path: Path, name: str) -> IO[str]:
    """The lock's file, held. A file that was removed while it was waited for is no lock any more."""
    while True:
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"another kubeiso is at work on the cluster {name}", hint="wait for it, or take another --name"
            ) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def save(cluster: Cluster) -> None:
    write_aside(cluster.directory / "cluster.json", cluster.model_dump_json(indent=1))


def is_unfinished(directory: Path) -> bool:
    """Whether whoever laid the cluster out was killed before it was whole; no machine of it was started then."""
    return directory.is_dir() and not (directory / "cluster.json").exists()


def refuse_existing(directory: Path) -> None:
    """Raises InputError where a cluster lies there already."""
    if (directory / "cluster.json").exists():
        hint = f"kubeiso down --name {directory.name}, or take another --name"
        raise InputError(f"the cluster {directory.name} exists already", hint=hint)


def load(name: str) -> Cluster:
    path = directory_of(name) / "cluster.json"
    if not path.is_file():
        raise InputError(f"there is no cluster {name}", hint=f"known are: {', '.join(names()) or 'none'}; start one: kubeiso up")
    return Cluster.model_validate_json(path.read_text())


def names() -> list[str]:
    """Every cluster of this user."""
    root = clusters_root()
    return sorted(path.parent.name for path in root.glob("*/cluster.json")) if root.is_dir() else []


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
