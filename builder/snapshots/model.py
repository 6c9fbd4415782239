"""A snapshot of etcd, and the masters that give one or take one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from builder.deadline import Deadline
from builder.errors import CheckError
from builder.forming.onnode import Ended, Shell, in_kubelet
from builder.frozen import Frozen
from builder.run import last_line

_TRAILER = hashlib.sha256().digest_size
_SECTOR = 512


class Facts(Frozen):
    """What etcdutl says of a snapshot (`etcdutl snapshot status`); `hash` is its CRC-32 of all keys, `totalSize` in bytes."""

    hash: int
    revision: int
    totalKey: int
    totalSize: int
    version: str = ""


@dataclass(frozen=True)
class Master:
    """A master with kubeiso's own line into it. within: a deadline of so many seconds at native speed."""

    name: str
    address: str
    shell: Shell
    within: Callable[[float], Deadline]

    def ask(self, script: str, seconds: float) -> Ended:
        """How a script of the kubelet's service ended."""
        return self.shell.run(in_kubelet(script, "etcd"), self.within(seconds))

    def demand(self, script: str, seconds: float, what: str) -> str:
        """What the script says. Raises CheckError with its last words unless its exit code is 0."""
        ended = self.ask(script, seconds)
        if ended.code != 0:
            raise CheckError(f"{what} on {self.name} failed", why=last_line(ended.output) or f"exit code {ended.code}")
        return ended.output


def is_whole(data: bytes) -> bool:
    """Whether these are the bytes of a whole snapshot.

    etcd sends its database, in sectors of 512 bytes, and the SHA-256 of that behind it (etcdutl/snapshot/v3_snapshot.go).
    """
    body, told = data[:-_TRAILER], data[-_TRAILER:]
    return len(body) > 0 and len(body) % _SECTOR == 0 and hashlib.sha256(body).digest() == told


def is_of(data: bytes, authority: bytes) -> bool:
    """Whether a snapshot is of the cluster with this authority (PEM).

    Every namespace has a ConfigMap with the authority's certificate, kube-root-ca.crt, which etcd stores as it is: no encryption
    at rest is for ConfigMaps unless somebody asks for it.
    """
    return authority.strip() in data
