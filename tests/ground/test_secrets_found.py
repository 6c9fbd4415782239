"""What is planted is found, in every wrapping that a run's files have; what is public is not."""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from secrets_found import kinds_in, secrets_found

KEY = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHxmP1Q0cJm0\n-----END EC PRIVATE KEY-----\n"
TOKEN = b"kubeadm join 10.0.2.15:6443 --token abcdef.0123456789abcdef \\\n"
CERTIFICATES = (
    b"[upload-certs] Using certificate key:\n" + b"e6a2eb8581237ab72a4f494f30285ec12a9694d750b9785706a83bfcbbbd2204" + b"\n"
)
ADMIN = b"users:\n- name: admin\n  user:\n    client-key-data: " + base64.b64encode(KEY) + b"\n"
PLANTED = {
    "key": (KEY, "a private key"),
    "token": (TOKEN, "a bootstrap token"),
    "token of hexadecimal digits": (b"token: client.08ec5550d647b82e\n", "a bootstrap token"),
    "token that is longer than an Event's": (b"token: client.18ec5550d647b8zz\n", "a bootstrap token"),
    "yaml": (b"certificateKey: " + b"0a" * 32, "a certificate key"),
    "certificates": (CERTIFICATES, "a certificate key"),
    "kubeconfig": (ADMIN, "a private key"),
}
FILLING = bytes(range(32, 127)) * 40


def base64_lines(data: bytes) -> bytes:
    """As `base64` prints it on a terminal."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def through_the_console(data: bytes) -> bytes:
    """As a file is read over a terminal that is logged: checksum, gzip, base64."""
    return (
        b"0123456789abcdef begin\r\n" + b"f" * 64 + b"  -\r\n" + base64_lines(gzip.compress(data)) + b"0123456789abcdef end 0\r\n"
    )


def as_commands(data: bytes) -> bytes:
    """As a file is written over it: base64 in a command that is base64 itself."""
    parts = [data[at : at + 1800] for at in range(0, len(data), 1800)]
    return b"".join(base64.b64encode(b"echo " + base64.b64encode(part) + b"|base64 -d >>/x.part") + b"\r" for part in parts)


def bundled(data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo("node/console.log")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def in_json(data: bytes) -> bytes:
    return json.dumps({"output": base64_lines(data).decode()}).encode()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "base64": base64_lines,
    "base64 after a word": lambda data: b"word" + base64.b64encode(data),
    "gzip": gzip.compress,
    "gzip that breaks off": lambda data: gzip.compress(data + FILLING)[:-20],
    "read over the console": through_the_console,
    "written over the console": as_commands,
    "in a bundle": lambda data: bundled(through_the_console(data)),
    "in a report": in_json,
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(planted: str, wrapping: str, tmp_path: Path) -> None:
    secret, kind = PLANTED[planted]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(
        FILLING + b"\n" + WRAPPINGS[wrapping](FILLING + b"\n" + secret + FILLING) + b"\n" + FILLING
    )
    assert f"sub/file: {kind}" in secrets_found(tmp_path)
    assert secrets_found(tmp_path, lambda path: path.name != "file") == []


@pytest.mark.parametrize(
    "public",
    [
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n",
        b"--discovery-token-ca-cert-hash sha256:e6a2eb8581237ab72a4f494f30285ec12a9694d750b9785706a83bfcbbbd2204\n",
        b"kubeadm init --skip-token-print --skip-certificate-key-print\n",
        b'events/client.18ec5550d647b82e event="&Event{ObjectMeta:{client.18ec555111a63b88  default    0\n',
        b"client.authentication.k8s.io system.slice status.conditions v1.36.3 10.64.0.11:6443\n",
    ],
)
def test_what_is_public_is_none(public: bytes) -> None:
    assert kinds_in(public) == kinds_in(through_the_console(public)) == set()


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_is_known_byte_by_byte_is_found(wrapping: str, tmp_path: Path) -> None:
    """A key's bytes without the words around them, which no pattern knows."""
    secret = bytes(range(120, 200))
    (tmp_path / "file").write_bytes(WRAPPINGS[wrapping](FILLING + b"\n" + secret + FILLING))
    assert secrets_found(tmp_path, known={"this": secret, "another": secret[::-1]}) == ["file: this"]


@pytest.mark.parametrize("secret", [bytes(range(100, 100 + length)) for length in (*range(23, 36), *range(57, 76), 121, 150)])
def test_the_last_byte_of_base64_counts(secret: bytes) -> None:
    """Of whatever length the last line is."""
    for wrapped in (base64.b64encode(secret), base64_lines(secret), in_json(secret)):
        assert kinds_in(b"said: " + wrapped + b"\n", {"this": secret}) == {"this"}
