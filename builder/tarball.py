"""Tar archives whose bytes depend on their content alone."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# LinuxKit's default time for generated entries, 2017-04-18 16:30:00 UTC (moby/build/dir.go).
EPOCH = 1492533000


def entry(
    name: str, *, mode: int, type: bytes = tarfile.REGTYPE, size: int = 0, linkname: str = "", uid: int = 0, gid: int = 0
) -> tarfile.TarInfo:
    """A header with fixed time and owner; `name` without a leading or trailing slash."""
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.size, info.linkname, info.mtime = mode, type, size, linkname, EPOCH
    info.uid, info.gid = uid, gid
    return info


def directory(name: str, mode: int = 0o755) -> tarfile.TarInfo:
    return entry(name, mode=mode, type=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return entry(name, mode=0o777, type=tarfile.SYMTYPE, linkname=target)


class TarWriter:
    """Writes a PAX archive to a stream, entry by entry, in the caller's order."""

    def __init__(self, out: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, info: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        """Adds one entry; a regular file brings `info.size` bytes of `content`."""
        self._tar.addfile(info, content)

    def add_bytes(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self._tar.addfile(entry(name, mode=mode, size=len(data)), io.BytesIO(data))

    def add_file(self, name: str, path: Path, mode: int) -> None:
        with path.open("rb") as file:
            self._tar.addfile(entry(name, mode=mode, size=path.stat().st_size), file)

    def close(self) -> None:
        self._tar.close()

    def abandon(self) -> None:
        """Ends without writing: tarfile's stream would otherwise write to `out` when it is collected, long after it closed."""
        self._tar.fileobj.closed = True  # type: ignore[attr-defined]  # a _Stream


@contextmanager
def writing(out: IO[bytes]) -> Iterator[TarWriter]:
    """A TarWriter that writes the archive's end when the block ends well."""
    writer = TarWriter(out)
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    writer.close()


def entries(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Every entry of an uncompressed archive in its order, with the content of regular files; reads forward only."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else tarfile keeps every header
            yield info, archive.extractfile(info) if info.isreg() else None
