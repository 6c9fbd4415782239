"""What a port on this machine leads to: a page, or a refusal by the node behind it."""

import socket
import urllib.error
import urllib.request

from builder.checks import NotYet
from builder.errors import CheckError

PAGE = "Welcome to nginx!"
"""What the page of the suites' web server says."""


def demand_page(body: str) -> None:
    """NotYet for another page than that of the suites' web server."""
    if PAGE not in body:
        raise NotYet(f"another page came back: {body[:60]!r}")


def fetch(port: int, path: str = "/", seconds: float = 20.0) -> str:
    """The page at http://127.0.0.1:port/path; NotYet with the reason when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
            body: bytes = answer.read(65536)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise NotYet(f"no answer: {error}") from error
    return body.decode(errors="replace")


def refused(port: int, seconds: float = 20.0) -> str:
    """The proof that the node behind the port refuses what comes to it.

    QEMU takes the connection itself, asks the node, and hangs up when the node says no. An answer is a CheckError; NotYet is
    raised where nobody listens on this machine, so no node was asked, and where the node says neither yes nor no.
    """
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    except ConnectionResetError:  # it was taken and hung up on before this program looked
        return "the node refuses it"
    except OSError as error:
        raise NotYet(f"the way to the node is not there: {error}") from error
    with connection:
        try:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            told = connection.recv(4096)
        except TimeoutError as error:
            raise NotYet(f"the node said neither yes nor no within {seconds:.0f} s") from error
        except (ConnectionResetError, BrokenPipeError):
            return "the node refuses it"
    if told:
        raise CheckError(f"port {port} answered although nobody serves it: {told[:60]!r}")
    return "the node refuses it"
