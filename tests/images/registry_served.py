"""Registries on this host's loopback address, each with one image, as the OCI Distribution Specification has them (pull)."""

import base64
import gzip
import hashlib
import http.server
import io
import ipaddress
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

OCI = "application/vnd.oci.image"


@dataclass(frozen=True)
class Identity:
    """A certificate and its key as PEM, and the authority's that signed it."""

    certificate: str
    key: str

    def files(self, folder: Path) -> tuple[Path, Path]:
        folder.mkdir(exist_ok=True)
        (folder / "crt").write_text(self.certificate)
        (folder / "key").write_text(self.key)
        return folder / "crt", folder / "key"


class Authority:
    """Signs certificates for servers and for clients."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = (
            _dated(self._name, self._name, self._key).add_extension(constraint, True).sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(Encoding.PEM).decode()

    def identity(self, name: str, address: str = "") -> Identity:
        """For a server at the address or of the name, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _dated(_named(name), self._name, key)
        if address:
            known = x509.IPAddress(ipaddress.ip_address(address)) if address[0].isdigit() else x509.DNSName(address)
            builder = builder.add_extension(x509.SubjectAlternativeName([known]), False)
        signed = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        return Identity(signed, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    now = datetime.now(UTC)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


@dataclass
class Registry:
    """port: on 127.0.0.1. pulled: path -> the client's name in its certificate, "" where it showed none."""

    blobs: Mapping[str, tuple[str, bytes]]
    login: tuple[str, str] | None = None
    port: int = 0
    pulled: dict[str, str] = field(default_factory=dict)
    refused: int = 0


@contextmanager
def served(registry: Registry, identity: Identity, folder: Path, clients: Authority | None = None) -> Iterator[Registry]:
    """The registry by TLS; with `clients`, only for those that this authority knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.files(folder))
    if clients:
        context.load_verify_locations(cadata=clients.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(registry))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    registry.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(registry: Registry) -> type[http.server.BaseHTTPRequestHandler]:
    wanted = f"Basic {base64.b64encode(':'.join(registry.login).encode()).decode()}" if registry.login else None

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if wanted and self.headers.get("Authorization") != wanted:
                registry.refused += 1
                self._answer(401, "text/plain", b"", {"WWW-Authenticate": 'Basic realm="nodes"'})
            elif path == "/v2/":
                self._answer(200, "application/json", b"{}")
            elif path in registry.blobs:
                peer: Any = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
                subject = dict(pair for row in (peer or {}).get("subject", ()) for pair in row)
                registry.pulled[path] = str(subject.get("commonName", ""))
                kind, body = registry.blobs[path]
                self._answer(200, kind, body, {"Docker-Content-Digest": digest(body)})
            else:
                self._answer(404, "text/plain", b"")

        do_HEAD = do_GET

        def _answer(self, code: int, kind: str, body: bytes, more: Mapping[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def image(repository: str, tag: str, word: str | bytes) -> dict[str, tuple[str, bytes]]:
    """An image of one file with that word, which it runs, by the paths at which a registry has its parts."""
    content = word if isinstance(word, bytes) else word.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("word")
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    layer = gzip.compress(packed.getvalue(), mtime=0)
    rootfs = {"type": "layers", "diff_ids": [digest(packed.getvalue())]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/word"]}, "rootfs": rootfs}).encode()
    described = [(f"{OCI}.config.v1+json", config), (f"{OCI}.layer.v1.tar+gzip", layer)]
    parts = [{"mediaType": kind, "digest": digest(body), "size": len(body)} for kind, body in described]
    kind = f"{OCI}.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": parts[0], "layers": parts[1:]}).encode()
    base = f"/v2/{repository}"
    blobs = {f"{base}/blobs/{digest(body)}": ("application/octet-stream", body) for _, body in described}
    manifests = {f"{base}/manifests/{name}": (kind, manifest) for name in (tag, digest(manifest))}
    return {**blobs, **manifests}


def indexed(parts: Mapping[str, tuple[str, bytes]], repository: str, tag: str, name: str) -> dict[str, tuple[str, bytes]]:
    """An index, named so, of the repository's image with that tag and of one for another machine that nobody has."""
    kind, manifest = parts[f"/v2/{repository}/manifests/{tag}"]
    entries = [
        {"mediaType": kind, "digest": of, "size": len(manifest), "platform": {"os": "linux", "architecture": machine}}
        for of, machine in ((digest(b"elsewhere"), "arm64"), (digest(manifest), "amd64"))
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": entries}).encode()
    return {f"/v2/{repository}/manifests/{each}": (f"{OCI}.index.v1+json", body) for each in (name, digest(body))}
