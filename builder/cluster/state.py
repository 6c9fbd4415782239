"""Clusters on this machine, each a directory with everything that it needs: `down` works from it alone."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from builder import owned
from builder.cluster.model import FORMAT, Cluster
from builder.errors import CheckError, InputError
from builder.machine.machine import STATE
from builder.statefile import why, write_kept

MARKER = ".kubeiso-cluster"
"""Written first into a cluster's directory; without it nothing there is ever removed."""

FILE = "cluster.json"


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


def begin(directory: Path) -> None:
    """Makes the directory of a new cluster, empty of what a program that was killed while it laid one out has left.

    Raises InputError where a cluster lies there already, or anything that kubeiso did not make.
    """
    refuse_existing(directory)
    if is_unfinished(directory):
        remove(directory)
    owned.make(directory, MARKER, f"the cluster {directory.name}")


def save(cluster: Cluster) -> None:
    write_kept(cluster.directory / FILE, cluster)


def is_unfinished(directory: Path) -> bool:
    """Whether whoever laid the cluster out was killed before it was whole; no machine of it was started then."""
    return owned.is_owned(directory, MARKER) and not ((directory / FILE).exists() or machine_folders(directory))


def machine_folders(directory: Path) -> set[Path]:
    """The folders of machines that were started there, whatever became of the cluster's own file."""
    return {path.parent for path in directory.glob(f"*/{STATE}")}


def refuse_existing(directory: Path) -> None:
    """Raises InputError where a cluster lies there already, or anything that kubeiso did not make."""
    if is_cluster(directory):
        hint = f"kubeiso down --name {directory.name}, or take another --name"
        raise InputError(f"the cluster {directory.name} exists already", hint=hint)
    owned.refuse_strange(directory, MARKER, f"the cluster {directory.name}")


def is_cluster(directory: Path) -> bool:
    """Whether a cluster that was laid out lies there; one without a marker was made before there were markers."""
    if owned.is_owned(directory, MARKER):
        return (directory / FILE).exists() or bool(machine_folders(directory))
    try:
        _decoded(directory / FILE)
    except (CheckError, OSError):
        return False
    return not directory.is_symlink()


def load(name: str) -> Cluster:
    """The cluster of that name. Raises InputError where there is none, and CheckError where its file can't be read."""
    directory = directory_of(name)
    if not is_cluster(directory):
        raise InputError(f"there is no cluster {name}", hint=f"known are: {', '.join(names()) or 'none'}; start one: kubeiso up")
    path = directory / FILE
    hint = f"kubeiso down --name {name} ends its machines and removes it"
    found = _decoded(path)
    if found.get("format", FORMAT) > FORMAT:
        raise CheckError(
            f"the cluster {name} was made by a newer kubeiso",
            why=f"{path} has format {found['format']}, this kubeiso knows {FORMAT}", hint=f"use that one; or: {hint}",
        )  # fmt: skip
    try:
        return Cluster.model_validate_json(path.read_text())
    except ValidationError as error:
        what = f"{path} does not describe a cluster that this kubeiso knows"
        raise CheckError(what, why=why(path, error), hint=hint) from error


def _decoded(path: Path) -> dict[str, Any]:
    """The file's keys. Raises CheckError unless it is a cluster's by its form and names the directory that it lies in."""
    hint = f"kubeiso down --name {path.parent.name} ends its machines and removes it"
    try:
        found = json.loads(path.read_text())
    except (ValueError, FileNotFoundError) as error:
        raise CheckError(f"{path} is damaged", why=str(error), hint=hint) from error
    if not isinstance(found, dict) or found.get("name") != path.parent.name or not isinstance(found.get("format", FORMAT), int):
        raise CheckError(f"{path} is damaged", why="it does not hold the cluster of that name", hint=hint)
    return found


def names() -> list[str]:
    """Every cluster of this user."""
    root = clusters_root()
    found = {path.parent for path in root.glob(f"*/{FILE}")} | {path.parent.parent for path in root.glob(f"*/*/{STATE}")}
    return sorted(directory.name for directory in found if is_cluster(directory))


def remove(directory: Path) -> None:
    """Removes a cluster's directory. Raises BuildError for one that is no cluster's, and where something of it stays."""
    if is_cluster(directory):
        owned.mark(directory, MARKER, f"the cluster {directory.name}")
    owned.remove(directory, MARKER)
