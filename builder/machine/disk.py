"""The disk on which a node keeps its state: a raw file with an ext4 file system that the node finds by its label.

On bare metal a user makes the same with `mkfs.ext4 -L KUBEISO_STATE /dev/sdX`, or the node itself of a blank disk where its
recipe says so.
"""

import os
import shutil
import uuid
from pathlib import Path

from builder.aside import aside
from builder.errors import InputError
from builder.run import run

LABEL = "KUBEISO_STATE"
"""As in pkg/state/wish.go."""

SMALLEST = 1024
"""MiB: etcd's logs and backend, a few pods' writable layers, the node's logs, and the room that the kubelet keeps free."""


def make_state_disk(path: Path, size_mib: int, identity: uuid.UUID | None = None) -> None:
    """Makes the file `path`: a file system of `size_mib` MiB, of which the host gives only what the node will have written.
    identity: the file system's UUID; a random one, if none is given.

    Raises InputError for a size below SMALLEST, a file that exists (it may be somebody's state) and a host's disk that hasn't
    room for SMALLEST; ToolMissing and BuildError.
    """
    if size_mib < SMALLEST:
        raise InputError(f"a disk of {size_mib} MiB is too small for a node's state", hint=f"take {SMALLEST} MiB or more")
    if path.exists():
        raise InputError(f"the disk {path} exists already", why="a node's state may be on it, and would be lost")
    _demand_room(path.parent)
    with aside(path) as made:
        made.touch(mode=0o600)
        os.truncate(made, size_mib << 20)
        run(_command(made, identity))


def _command(path: Path, identity: uuid.UUID | None) -> list[str | Path]:
    """mke2fs(8): it writes to a file as to a device, and the node's kernel does later what would fill the file now.

    All files of a node are root's, so blocks reserved for root would only be lost.
    """
    known = ["-U", str(identity)] if identity else []
    options = "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1"
    return ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", LABEL, *known, "-E", options, path]


def _demand_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free >> 20
    if free < SMALLEST:
        raise InputError(
            f"there is no room for a node's disk under {directory}",
            why=f"{free} MiB are free, and a node may write {SMALLEST} MiB",
            hint="free some room there, or take a directory on a larger disk",
        )
