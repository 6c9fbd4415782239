"""Ports of 127.0.0.1 for a cluster, kept for its whole life: two clusters never get the same one."""

import fcntl
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from builder.aside import write_aside
from builder.errors import BuildError, CheckError
from builder.statefile import Kept, why

FIRST, END = 20000, 32000
"""Below Linux' range for outgoing connections (32768 on; net.ipv4.ip_local_port_range) and above the well-known ones."""

_TABLE = "ports.json"

BLOCK = 50
"""Blocks start at multiples of this, so that a cluster's ports are easy to recognise."""


class Ports(Kept):
    """A block of ports that belongs to the cluster whose state lies in `owner`."""

    first: int
    count: int
    owner: Path

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.first + index

    def overlaps(self, first: int, count: int) -> bool:
        return first < self.first + self.count and self.first < first + count


def reserve(locks: Path, owner: Path, count: int) -> Ports:
    """The ports of `owner`: those that it has already, else a new block of `count` in which nobody listens.

    `locks` is one directory for all clusters of the host; `owner` is made where it is not there. The block stays reserved until
    `release`, or until `owner` is gone. Raises BuildError when no block is free.
    """
    owner = owner.absolute()
    owner.mkdir(parents=True, exist_ok=True)
    with _locked(locks):
        taken = _living(locks)
        for ports in taken:
            if ports.owner == owner and ports.count >= count:
                return ports
        others = [ports for ports in taken if ports.owner != owner]
        ports = Ports(first=_free_block(others, count), count=count, owner=owner)
        _write(locks, [*others, ports])
        return ports


def release(locks: Path, owner: Path) -> None:
    """Gives the ports of `owner` back; does nothing where it has none, and where nobody can tell, as `reserve` does."""
    with _locked(locks), suppress(CheckError):
        _write(locks, [ports for ports in _living(locks) if ports.owner != owner.absolute()])


def _free_block(taken: list[Ports], count: int) -> int:
    for first in range(FIRST, END - count, BLOCK):
        if not any(ports.overlaps(first, count) for ports in taken) and all(map(_bindable, range(first, first + count))):
            return first
    raise BuildError(f"no {count} free ports between {FIRST} and {END}", hint="end a cluster: kubeiso down")


def _bindable(port: int) -> bool:
    with socket.socket() as candidate:
        # As QEMU does: a port whose last connections are in TIME_WAIT is free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _locked(locks: Path) -> Iterator[None]:
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _living(locks: Path) -> list[Ports]:
    path = locks / _TABLE
    try:
        reserved = TypeAdapter(list[Ports]).validate_json(path.read_bytes(), extra="ignore")
    except FileNotFoundError:
        return []
    except ValidationError as error:
        hint = f"end the clusters that do not run (kubeiso down), whose ports are known from there alone, then: rm {path}"
        raise CheckError(f"{path}, which says whose ports are whose, can't be read", why=why(path, error), hint=hint) from error
    return [ports for ports in reserved if ports.owner.is_dir()]


def _write(locks: Path, reserved: list[Ports]) -> None:
    write_aside(locks / _TABLE, json.dumps([ports.model_dump(mode="json") for ports in reserved], indent=1))
