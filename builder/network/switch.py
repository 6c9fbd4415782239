"""A small Ethernet switch over a unix socket, for hosts without vde_switch: python -m builder.network.switch DIRECTORY

Each connection is a plug, as QEMU's `-netdev stream` makes one; on it a frame is its length (4 bytes, big-endian) and its bytes
(QEMU, net/stream.c). A stream, not datagrams: Linux lets ten datagrams wait for their reader (net.unix.max_dgram_qlen), which
an emulated machine overruns at once. Standard library only, since the process lives as long as its cluster.
"""

import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from builder.aside import write_aside

PLUGS = 128
"""Plugs at the same time; one more is hung up on."""

ADDRESSES = 4096
"""Addresses remembered. The one learnt first gives way; a frame to an address that is not remembered goes everywhere."""

BACKLOG = 1 << 20
"""Bytes that wait for one plug's reader. What comes then is dropped, so that a machine that stands still holds up no other."""

LONGEST = 4096 + 65536
"""A frame's bytes: QEMU's own limit (NET_BUFSIZE, include/net/net.h)."""

_LENGTH = struct.Struct(">I")
_ADDRESSES_END = _LENGTH.size + 12  # a frame begins with its destination and its source, 6 bytes each (IEEE 802.3)
_READ = 1 << 18


class Garbled(Exception):
    """What came on a plug is no sequence of frames."""


class Plug:
    """One end of the network: what came from it and is no whole frame yet, and the frames that wait for it."""

    def __init__(self) -> None:
        self._rest = b""
        self.waiting = bytearray()
        self.dropped = 0

    def queue(self, frame: bytes) -> None:
        """Takes a frame, with its length before it."""
        if len(self.waiting) + len(frame) > BACKLOG:
            self.dropped += 1
        else:
            self.waiting += frame

    def frames(self, data: bytes) -> Iterator[bytes]:
        """The whole frames, each with its length before it, that `data` completes. Raises Garbled."""
        data, start = self._rest + data, 0
        while len(data) - start >= _LENGTH.size:
            length = _LENGTH.unpack_from(data, start)[0]
            if length > LONGEST:
                raise Garbled(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if end > len(data):
                break
            yield data[start:end]
            start = end
        self._rest = data[start:]


class Fabric:
    """Who gets which frame: learnt from where each address sent last. It knows no sockets."""

    def __init__(self) -> None:
        self.plugs: list[Plug] = []
        self._places: dict[bytes, Plug] = {}

    def leave(self, plug: Plug) -> None:
        self.plugs.remove(plug)
        self._places = {address: place for address, place in self._places.items() if place is not plug}

    def take(self, plug: Plug, data: bytes) -> None:
        """Queues what came from `plug` at all who are to have it. Raises Garbled."""
        for frame in plug.frames(data):
            if len(frame) >= _ADDRESSES_END:
                self._forward(plug, frame)

    def _forward(self, plug: Plug, frame: bytes) -> None:
        target, source = frame[4:10], frame[10:16]
        if not source[0] & 1:
            self._learn(source, plug)
        # The lowest bit of the first byte marks an address of many (IEEE 802.3).
        place = None if target[0] & 1 else self._places.get(target)
        for other in self.plugs if place is None else (place,):
            if other is not plug:
                other.queue(frame)

    def _learn(self, address: bytes, plug: Plug) -> None:
        if self._places.get(address) is plug:
            return
        self._places.pop(address, None)
        if len(self._places) >= ADDRESSES:
            del self._places[next(iter(self._places))]
        self._places[address] = plug


class Server:
    """The switch on its socket. One thread, which sleeps while nothing comes."""

    def __init__(self, listener: socket.socket) -> None:
        self._fabric = Fabric()
        self._sockets: dict[Plug, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._stop, self._stopped = socket.socketpair()
        self._over = False
        self._watch(listener, lambda _: self._accept(listener))
        self._watch(self._stopped, lambda _: self._end())

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        self._stop.setblocking(False)
        signal.set_wakeup_fd(self._stop.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        while not self._over:
            for key, events in self._selector.select():
                key.data(events)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for end in (self._stop, self._stopped, *self._sockets.values()):
            end.close()

    def _watch(self, end: socket.socket, act: Callable[[int], None]) -> None:
        end.setblocking(False)
        self._selector.register(end, selectors.EVENT_READ, act)

    def _end(self) -> None:
        self._over = True

    def _accept(self, listener: socket.socket) -> None:
        try:
            end = listener.accept()[0]
        except OSError:  # gone again before its turn came
            return
        if len(self._sockets) >= PLUGS:
            end.close()
            _tell(f"refused a plug: there are {PLUGS}")
            return
        plug = Plug()
        self._sockets[plug] = end
        self._fabric.plugs.append(plug)
        self._watch(end, lambda events: self._serve(plug, events))
        _tell(f"a plug came, there are {len(self._sockets)}")

    def _serve(self, plug: Plug, events: int) -> None:
        if plug not in self._sockets:  # left since the selector looked
            return
        if events & selectors.EVENT_READ:
            self._receive(plug)
        for other in [plug for plug in self._sockets if plug.waiting]:
            self._send(other)

    def _receive(self, plug: Plug) -> None:
        try:
            data = self._sockets[plug].recv(_READ)
            if not data:
                raise ConnectionResetError("it hung up")
            self._fabric.take(plug, data)
        except BlockingIOError:
            return
        except (OSError, Garbled) as error:
            self._leave(plug, error)

    def _send(self, plug: Plug) -> None:
        end = self._sockets[plug]
        try:
            del plug.waiting[: end.send(plug.waiting)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._leave(plug, error)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if plug.waiting else 0)
        key = self._selector.get_key(end)
        if key.events != wanted:
            self._selector.modify(end, wanted, key.data)

    def _leave(self, plug: Plug, why: Exception) -> None:
        self._fabric.leave(plug)
        end = self._sockets.pop(plug)
        self._selector.unregister(end)
        end.close()
        _tell(f"a plug left ({why}; {plug.dropped} frames to it dropped), there are {len(self._sockets)}")


def main(directory: Path) -> None:
    """Serves the switch of `directory` in the background: whoever waits for the end of its output knows that it listens."""
    path, note = directory / "switch.sock", directory / "switch.pid"
    os.umask(0o077)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(PLUGS)
        server = Server(listener)
        try:
            write_aside(note, f"{os.getpid()}\n")
            _detach(directory / "switch.log")
            server.run()
        finally:
            server.close()
            for left in (path, note):
                left.unlink(missing_ok=True)


def _detach(log: Path) -> None:
    with suppress(PermissionError):  # it leads a group already: started by hand
        os.setsid()
    os.chdir("/")
    for number, path, flags in ((0, Path(os.devnull), os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)):
        file = os.open(path, flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.dup2(1, 2)


def _tell(text: str) -> None:
    with suppress(OSError):  # a full disk ends no network
        print(text, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
