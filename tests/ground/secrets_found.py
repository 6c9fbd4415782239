"""Finds what lets others into a cluster in the files that a run leaves, in whatever wrapping: base64, gzip, archives."""

import base64
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

DEPTH = 5
"""Wrappings that are undone, one inside the other: a kubeconfig's key is base64 in a YAML in a gzip in base64."""

_KINDS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|client-key-data[\"']?:\s*[\"']?[A-Za-z0-9+/]{20}"),
    "a certificate key": re.compile(rb"certificate[-_ ]?key[\s:=\"'\\rn]{0,12}[0-9a-f]{64}(?![0-9a-f])", re.IGNORECASE),
    "a bootstrap token": re.compile(
        rb"(?<![a-z0-9.])(?=[a-z.]*[0-9])[a-z0-9]{6}\.(?!1[89a-f][0-9a-f]{14}\b)[a-z0-9]{16}(?!\.?[a-z0-9])"
    ),
}
# An Event of a pod with a name of six letters looks like a token: "client.18ec5550d647b82e", whose end are the nanoseconds since
# 1970 (k8s.io/client-go, tools/record). Of random tokens, less than one in a million looks so.
# Lines of base64, as one run: a terminal's line ends, or a JSON text's, may be between them, and the last may be short.
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{16,}={0,2}(?:\s|\\r|\\n)*)+(?:[A-Za-z0-9+/]{1,15}={0,2})?")
_LINE_ENDS = re.compile(rb"\s|\\r|\\n")
_GZIP = b"\x1f\x8b\x08"


def secrets_found(folder: Path, look_at: Callable[[Path], bool] = lambda _: True, known: Mapping[str, bytes] = {}) -> list[str]:
    """ "FILE: KIND" for each file below the folder that holds a secret and that `look_at` does not leave out.

    known: secrets byte by byte, by what they are called, beside those that are known by their look.
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink() and look_at(path))
    return [f"{path.relative_to(folder)}: {kind}" for path in files for kind in sorted(kinds_in(path.read_bytes(), known))]


def kinds_in(data: bytes, known: Mapping[str, bytes] = {}, depth: int = DEPTH) -> set[str]:
    """The kinds of secrets in the data, and in all that is wrapped in it."""
    found = {kind for kind, pattern in _KINDS.items() if pattern.search(data)}
    found |= {name for name, secret in known.items() if secret in data}
    for inner in _unwrapped(data) if depth else ():
        found |= kinds_in(inner, known, depth - 1)
    return found


def _unwrapped(data: bytes) -> Iterator[bytes]:
    start = -1
    while (start := data.find(_GZIP, start + 1)) >= 0:
        yield _gunzipped(data[start:])
    for run in _BASE64.findall(data):
        yield from _decoded(_LINE_ENDS.sub(b"", run))
        for line in _LINE_ENDS.split(run):
            yield from _decoded(line)


def _gunzipped(data: bytes) -> bytes:
    """As much as can be had: a log may break off."""
    unzip, made = zlib.decompressobj(wbits=31), b""
    try:
        for at in range(0, len(data), 4096):
            made += unzip.decompress(data[at : at + 4096])
    except zlib.error:
        pass
    return made


def _decoded(text: bytes) -> Iterator[bytes]:
    """From each of the four places where base64 may begin, since what stands before it may look like a part of it."""
    for piece in text.split(b"="):
        for begin in range(4) if len(piece) >= 24 else ():
            left = piece[begin : len(piece) - ((len(piece) - begin) % 4 == 1)]  # one character alone is no byte
            yield base64.b64decode(left + b"=" * (-len(left) % 4))
