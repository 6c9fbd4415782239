"""Small things to try sources on: a server that misbehaves on demand, a Go module behind a proxy, a project of one component."""

import base64
import contextlib
import hashlib
import http.server
import io
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from private_mounts import private_mounts

from builder.components.registry import find
from builder.errors import KubeisoError
from builder.project import Project
from builder.store import Store

# The start of a program for x86-64, as far as anyone looks at it.
PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + b"\x3e\x00" + b"rest of it"


class Server:
    """Serves `files` by path on the loopback address; `before` may answer a request in another way (then it returns True)."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        self.ranges: list[str | None] = []
        self.before: Callable[[http.server.BaseHTTPRequestHandler, int], bool] = lambda _handler, _nth: False
        self.open = 0
        self.most_open = 0
        self.lock = threading.Lock()
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with server.lock:
                    server.asked.append(self.path)
                    server.ranges.append(self.headers.get("Range"))
                    nth = len(server.asked)
                    server.open += 1
                    server.most_open = max(server.most_open, server.open)
                try:
                    with contextlib.suppress(ConnectionError):  # the client may go before it has all
                        if not server.before(self, nth):
                            answer(self, server.files.get(self.path))
                finally:
                    with server.lock:
                        server.open -= 1

            def log_message(self, format: str, *args: object) -> None: ...

        return Handler


def answer(handler: http.server.BaseHTTPRequestHandler, content: bytes | None, *, cut: int | None = None) -> None:
    """The content or 404; a range that begins at a byte is honoured; with `cut` only so many bytes are sent."""
    if content is None:
        handler.send_error(404)
        return
    start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    if start >= len(content) and start:
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    handler.wfile.write(content[start:] if cut is None else content[start : start + cut])


def refused(sample: Project, store: Store, *, offline: bool = False) -> KubeisoError:
    """How the component toy can't be had; nothing of it came into the store."""
    with pytest.raises(KubeisoError) as raised:
        find("toy", store, sample, offline=offline)
    assert blobs(store) == []
    return raised.value


def closed_port() -> str:
    """An address where nobody listens."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}"


def blobs(store: Store) -> list[Path]:
    return sorted((store.root / "blobs" / "sha256").iterdir())


def project(root: Path, **components: dict[str, object]) -> Project:
    """A project with these component.yml files."""
    for name, document in components.items():
        (root / "pkg" / name).mkdir(parents=True)
        (root / "pkg" / name / "component.yml").write_text(yaml.safe_dump(document))
    return Project(root)


GREET = {
    "go.mod": b"module example.test/greet\n\ngo 1.24\n",
    "greet.go": b'package greet\n\nfunc Word() string { return "hello" }\n',
}
TOY = """package main

import "example.test/greet"

var version = "none"

func main() { println(version, greet.Word()) }
"""


def hash1(files: Mapping[str, bytes]) -> str:
    """Go's checksum of a module (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def served(modules: Mapping[tuple[str, str], Mapping[str, bytes]]) -> dict[str, bytes]:
    """Modules by path and version as a module proxy serves them (go.dev/ref/mod, GOPROXY protocol)."""
    files: dict[str, bytes] = {}
    for (path, version), content in modules.items():
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            for name, data in content.items():
                packed.writestr(f"{path}@{version}/{name}", data)
        base = f"/{path}/@v/{version}"
        info = f'{{"Version": "{version}", "Time": "2020-01-01T00:00:00Z"}}'.encode()
        files |= {f"{base}.info": info, f"{base}.mod": content["go.mod"], f"{base}.zip": archive.getvalue()}
    return files


def module_proxy(word: bytes = b"hello") -> dict[str, bytes]:
    """A proxy that has example.test/greet v1.0.0."""
    content = {name: data.replace(b"hello", word) for name, data in GREET.items()}
    return served({("example.test/greet", "v1.0.0"): content})


def toy(root: Path, **section: object) -> Project:
    """A project whose one component, `toy`, is built from a main package and the module above."""
    golang = {"packages": {"toy": "."}, "ldflags": ["-X main.version={version}"], **section}
    found = project(root, toy={"version": "1.2.3", "golang": golang})
    whole = hash1({f"example.test/greet@v1.0.0/{name}": data for name, data in GREET.items()})
    mod = hash1({"go.mod": GREET["go.mod"]})
    folder = root / "pkg" / "toy"
    (folder / "main.go").write_text(TOY)
    (folder / "go.mod").write_text("module toy\n\ngo 1.24\n\nrequire example.test/greet v1.0.0\n")
    (folder / "go.sum").write_text(f"example.test/greet v1.0.0 {whole}\nexample.test/greet v1.0.0/go.mod {mod}\n")
    return found


def store_with(root: Path, build_cache: Path) -> Store:
    """A store of its own whose Go builds use a common build cache, so that Go's runtime is compiled once only."""
    store = Store(root)
    (store.scratch("go") / "compiled").symlink_to(build_cache)
    return store


def on_small_disk(
    directory: Path, megabytes: int, command: list[str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs the command where `directory` is a file system of that size of its own."""
    script = f'mount -t tmpfs -o size={megabytes}m tmpfs "$1" && shift && exec "$@"'
    line = [*private_mounts(), "sh", "-c", script, "sh", str(directory), *command]
    return subprocess.run(line, capture_output=True, text=True, env=dict(env))
