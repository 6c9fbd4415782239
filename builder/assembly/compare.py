"""Where two root trees differ, entry by entry."""

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields

from builder.oci import layer_entries
from builder.store import Digest, Store

Key = tuple[str, int]
"""A name, and how often it occurred before."""


@dataclass(frozen=True)
class Facts:
    """All that an entry says besides its name. mode is octal; content is the SHA-256 of a regular file."""

    type: str
    mode: str
    uid: int
    gid: int
    owner: str
    size: int
    mtime: float
    linkname: str
    device: tuple[int, int]
    content: str
    records: tuple[tuple[str, str], ...]


def compare(store: Store, left: Digest, right: Digest) -> list[str]:
    """The differences of two archives in the store, a line each; none where name order and all entries are the same."""
    if left == right:
        return []
    a, b = (dict(facts(store, digest)) for digest in (left, right))
    lines = [f"{_called(key)}: only in the left" for key in a if key not in b]
    lines += [f"{_called(key)}: only in the right" for key in b if key not in a]
    for key in a:
        if key in b:
            lines += [f"{_called(key)}: {text}" for text in _differences(a[key], b[key])]
    return lines + _order([key for key in a if key in b], [key for key in b if key in a])


def facts(store: Store, archive: Digest) -> Iterator[tuple[Key, Facts]]:
    """The entries of an archive in their order."""
    times: Counter[str] = Counter()
    for info, content in layer_entries(store.path(archive)):
        digest = hashlib.file_digest(content, "sha256").hexdigest() if content else ""  # type: ignore[arg-type]
        yield (info.name, times[info.name]), _facts(info, digest)
        times[info.name] += 1


def _facts(info: tarfile.TarInfo, digest: str) -> Facts:
    return Facts(
        type=info.type.decode(), mode=f"{info.mode:04o}", uid=info.uid, gid=info.gid, owner=f"{info.uname}:{info.gname}",
        size=info.size, mtime=info.mtime, linkname=info.linkname, device=(info.devmajor, info.devminor), content=digest,
        records=tuple(sorted(info.pax_headers.items())),
    )  # fmt: skip


def _called(key: Key) -> str:
    name, before = key
    return f"{name} (occurrence {before + 1})" if before else name


def _differences(left: Facts, right: Facts) -> Iterator[str]:
    for field in fields(Facts):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if a != b:
            yield f"{field.name} {a!r} | {b!r}"


def _order(left: list[Key], right: list[Key]) -> list[str]:
    """The first place where the common entries come in another order."""
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        if a != b:
            return [f"order: at common entry {index} the left has {_called(a)}, the right {_called(b)}"]
    return []
