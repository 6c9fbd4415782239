"""An end of a cluster's network for tests, behind a QEMU without a machine."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.architecture import AMD64
from builder.machine.model import ClusterCard
from builder.machine.qemu import plug

EVERYBODY = b"\xff" * 6


def address(number: int) -> bytes:
    return bytes([0x52, 0x54, 0, 0, 0, number])


def frame(target: bytes, source: bytes, text: bytes = b"") -> bytes:
    """An Ethernet frame of the local experimental type 0x88b5 (IEEE 802), as long as the shortest may be."""
    return (target + source + b"\x88\xb5" + text).ljust(60, b"\0")


class Bridged:
    """A plug of QEMU's own, the one that a machine has; a hub within QEMU leads it to a pair of datagram sockets."""

    def __init__(self, here: socket.socket, there: Path) -> None:
        self._here, self._there = here, there
        self.got: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """Lost while QEMU is not there yet."""
        with suppress(FileNotFoundError, ConnectionRefusedError):
            self._here.sendto(frame, str(self._there))

    def receive(self, timeout: float) -> None:
        """Adds what comes to `got`, until nothing came for `timeout` seconds."""
        self._here.settimeout(timeout)
        with suppress(TimeoutError):
            while True:
                self.got.append(self._here.recv(2048))


@contextmanager
def bridged(card: ClusterCard, directory: Path, name: str) -> Iterator[Bridged]:
    here, there = directory / f"{name}.here", directory / f"{name}.there"
    ends = f"local.type=unix,local.path={there},remote.type=unix,remote.path={here}"
    argv = [
        AMD64.qemu.program, "-M", "none", "-nodefaults", "-display", "none", "-netdev", plug(card),
        "-netdev", f"dgram,id=test,{ends}",
        "-netdev", "hubport,id=one,hubid=0,netdev=cluster", "-netdev", "hubport,id=two,hubid=0,netdev=test",
    ]  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(here))
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as qemu:
            try:
                yield Bridged(end, there)
            finally:
                qemu.terminate()
