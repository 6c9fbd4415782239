"""The way to the API servers: pkg/api-balancer's script with its own HAProxy in a chroot, before stand-ins for API servers."""

import os
import shutil
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_image_complete import unpacked

from builder.network.reservation import reserve
from builder.run import run, spawn

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]
SECONDS = 60.0
Servers = list["ApiServer"]


@dataclass
class ApiServer:
    """Answers /readyz as it is told, and everything else with its name."""

    name: str
    ready: bool = True
    server: ThreadingHTTPServer = field(init=False)

    def begin(self, certificate: Path) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.name.encode()
                self.send_response(200 if outer.ready or self.path != "/readyz" else 500)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = unpacked("api-balancer", tmp_path_factory.mktemp("api-balancer") / "root")
    (place / "run").mkdir(exist_ok=True)
    (place / "dev").mkdir(exist_ok=True)
    return place


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    certificate = tmp_path / "both.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=kubernetes"]
    run(["openssl", "req", "-x509", *key, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"])
    certificate.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    made = [ApiServer("one"), ApiServer("two")]
    for server in made:
        server.begin(certificate)
    yield made
    for server in made:
        server.end()


@contextmanager
def balancer(root: Path, tmp_path: Path, addresses: list[str]) -> Iterator[str]:
    """Its address while it runs."""
    (root / "run/config/api-balancer").mkdir(parents=True, exist_ok=True)
    (root / "run/config/api-balancer/masters").write_text("".join(f"{address}\n" for address in addresses))
    place = f"127.0.0.1:{reserve(tmp_path / 'ports', tmp_path / 'owner', 1)[0]}"
    with spawn(
        ["chroot", root, "/usr/bin/api-balancer.sh"], env={"PATH": "/usr/sbin:/usr/bin", "API_BALANCER": place}
    ) as process:
        try:
            yield place
        finally:
            process.terminate()


def who(place: str) -> str:
    """The name of the server behind the balancer; the reason where none answers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"https://{place}/", timeout=10) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        return f"nobody: {error}"


def soon(look: Callable[[], bool]) -> bool:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if look():
            return True
        time.sleep(0.5)
    return False


def test_a_server_that_is_not_ready_gets_nobody(root: Path, tmp_path: Path, servers: Servers) -> None:
    one, two = servers
    one.ready = False
    with balancer(root, tmp_path, [one.address, two.address]) as place:
        assert soon(lambda: [who(place) for _ in range(4)] == ["two"] * 4)
        one.ready, two.ready = True, False
        assert soon(lambda: [who(place) for _ in range(4)] == ["one"] * 4)
        two.ready = True
        assert soon(lambda: {who(place) for _ in range(4)} == {"one", "two"})


def test_a_server_that_is_lost_is_left_at_once(root: Path, tmp_path: Path, servers: Servers) -> None:
    one, two = servers
    with balancer(root, tmp_path, [one.address, two.address]) as place:
        assert soon(lambda: {who(place) for _ in range(4)} == {"one", "two"})
        one.end()
        assert {who(place) for _ in range(6)} == {"two"}  # a refused connection is tried elsewhere


def test_no_master_at_all_is_told(root: Path) -> None:
    (root / "run/config/api-balancer").mkdir(parents=True, exist_ok=True)
    (root / "run/config/api-balancer/masters").write_text("")
    words = ["chroot", str(root), "/usr/bin/api-balancer.sh"]
    done = subprocess.run(words, env={"PATH": "/usr/sbin:/usr/bin"}, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (done.returncode, "names no master" in done.stderr) == (1, True)
