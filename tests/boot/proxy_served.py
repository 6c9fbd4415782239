"""Ways through this host's loopback address: an HTTP proxy that knows names which nobody else does (RFC 9110, 9.3.6: CONNECT),
and one from port to port."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """known: HOST:PORT as clients ask for it -> a port of 127.0.0.1. asked: all that was asked for."""

    known: Mapping[str, int]
    asked: list[str] = field(default_factory=list)
    port: int = 0


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def proxied(proxy: Proxy) -> Iterator[Proxy]:
    """The proxy, with its port set."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            method, target, _ = self.rfile.readline().decode().split()
            while self.rfile.readline().strip():
                pass
            proxy.asked.append(target)
            if method != "CONNECT" or target not in proxy.known:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", proxy.known[target]), 20) as far:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                splice(self.connection, far)

    with served(Handler) as proxy.port:
        yield proxy


@contextmanager
def way_to(port: int, here: int) -> Iterator[None]:
    """What comes to port `here` of 127.0.0.1 goes to another one."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 20) as far:
                splice(self.request, far)

    with served(Handler, here):
        yield


@contextmanager
def served(handler: type[socketserver.BaseRequestHandler], port: int = 0) -> Iterator[int]:
    """A server on that port of 127.0.0.1, or on a free one, which is told."""
    with Server(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def splice(one: socket.socket, other: socket.socket) -> None:
    """Hands on what either says until one of them ends, or both are silent for a minute."""
    while ready := select.select([one, other], [], [], 60)[0]:
        for side in ready:
            data = side.recv(65536)
            if not data:
                return
            (other if side is one else one).sendall(data)
