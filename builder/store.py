"""The content-addressed store: blobs by SHA-256, and what an earlier build gave for the same inputs.

Layout under the root (default $XDG_CACHE_HOME/kubeiso):
  CACHEDIR.TAG       says whose it is (builder/cachedir.py)
  blobs/sha256/HEX   content, read-only, renamed into place only when complete
  known/HEX          the blob's size, and since when it is known to be whole (builder/whole.py)
  results/KEY.json   what the inputs hashed in KEY gave (digests and small facts)
                     of results and blobs, the time of last access is that of the last use
  locks/KEY          one builder at a time for each key
  tmp/               work under way; nothing in it is ever read by another run, and the next one removes what a killed one left
  scratch/NAME/      caches that belong to a tool (Go's modules and build cache)
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NewType

from builder import tidy
from builder.cachedir import claim
from builder.errors import BuildError
from builder.lock import held
from builder.process import boot_id
from builder.whole import Notes
from builder.workplace import sweep, workdir, workfile

Digest = NewType("Digest", str)
"""An algorithm and a hash as OCI writes them: "sha256:" and 64 hexadecimal digits."""

CHUNK = 1 << 20


def sha256(data: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def file_digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def key_of(*parts: object) -> str:
    """A key for `recall`: the hash of the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def default_root() -> Path:
    base = os.environ.get("KUBEISO_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubeiso"


class Writer:
    """A blob being written; counts and hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())


class Store:
    """All that was fetched or built, by content. Safe for several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_root()).absolute()
        with disk_errors(self.root):
            claim(self.root)
            for name in ("blobs/sha256", "known", "results", "locks", "tmp", "scratch"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        sweep(self.root / "tmp")
        self._notes = Notes(self.root / "known", boot_id())

    def path(self, digest: Digest) -> Path:
        """Where the blob lies; it need not be there."""
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(value) != 64 or not all(c in "0123456789abcdef" for c in value):
            raise BuildError(f"{digest!r} is not a SHA-256 digest")
        return self.root / "blobs" / "sha256" / value

    def has(self, *digests: Digest) -> bool:
        """Whether all are here, and whole; they count as used now."""
        return all(_use(path) and self._notes.is_whole(path) for path in map(self.path, digests))

    def read(self, digest: Digest) -> bytes:
        return self.path(digest).read_bytes()

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A new blob: it is in the store under `.digest` once the block ends without an exception."""
        with disk_errors(self.root), workfile(self.root / "tmp", "blob-") as (temporary, file):
            writer = Writer(file)
            yield writer
            file.flush()
            self._settle(temporary, writer.digest)

    def put(self, data: bytes) -> Digest:
        with self.writer() as writer:
            writer.write(data)
        return writer.digest

    def put_stream(self, stream: IO[bytes], *, expected: Digest | None = None) -> Digest:
        """Takes a stream in; with `expected`, nothing enters when the content differs."""
        with self.writer() as writer:
            while data := stream.read(CHUNK):
                writer.write(data)
            if expected and writer.digest != expected:
                raise BuildError("the content has another checksum", why=f"expected {expected}, got {writer.digest}")
        return writer.digest

    def put_file(self, path: Path, *, expected: Digest | None = None) -> Digest:
        """Takes a copy of a file in."""
        with path.open("rb") as file:
            return self.put_stream(file, expected=expected)

    def adopt(self, path: Path) -> Digest:
        """Moves a file that lies in `workdir` into the store, without a copy."""
        digest = file_digest(path)
        with disk_errors(self.root):
            self._settle(path, digest)
        return digest

    def _settle(self, temporary: Path, digest: Digest) -> None:
        target = self.path(digest)
        if self.has(digest):
            temporary.unlink()
            return
        temporary.chmod(0o555)  # read-only; executable, since a blob may be a program
        self._notes.forget(target.name)
        temporary.replace(target)
        self._notes.wrote(target)

    def discard(self, digest: Digest) -> None:
        """Removes a blob that nothing will read again."""
        self.path(digest).unlink(missing_ok=True)
        self._notes.forget(self.path(digest).name)

    @contextmanager
    def workdir(self, prefix: str) -> Iterator[Path]:
        """A directory for work under way, on the store's file system, removed at the end."""
        with disk_errors(self.root), workdir(self.root / "tmp", f"{prefix}-") as directory:
            yield directory

    def scratch(self, name: str) -> Path:
        directory = self.root / "scratch" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def recall(self, key: str) -> dict[str, Any] | None:
        """What was remembered under the key, provided that every digest in it is still here, and whole."""
        result = self.root / "results" / f"{key}.json"
        try:
            value = json.loads(result.read_text())
        except (FileNotFoundError, ValueError):  # none, or one that lost its content
            return None
        _use(result)
        return value if isinstance(value, dict) and self.has(*digests_in(value)) else None

    def remember(self, key: str, value: Mapping[str, Any]) -> None:
        with disk_errors(self.root), workfile(self.root / "tmp", "result-") as (temporary, file):
            file.write(json.dumps(value, sort_keys=True, indent=1).encode())
            file.flush()
            temporary.replace(self.root / "results" / f"{key}.json")

    def once(self, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The remembered result for the key, or that of `make`; a second builder waits for the first."""
        found = self.recall(key)
        if found is not None:
            return found
        with self.lock(key):
            found = self.recall(key)
            if found is None:
                found = dict(make())
                self.remember(key, found)
            return found

    def clean(self, *, everything: bool = False, unused: float = 0.0) -> int:
        """Removes blobs and results (with `everything` the tools' caches too); returns the bytes freed.

        `unused`: only what no run used in so many seconds. Runs that are under way keep what they are at, and what they found.
        """
        return tidy.clean(self.root, everything=everything, unused=unused, forget=self._notes.forget)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Holds the key against other threads and processes; freed by the kernel when this one dies. Who waits says so."""
        with ExitStack() as stack:
            with disk_errors(self.root):
                stack.enter_context(held(self.root / "locks" / key))
            yield


def _use(path: Path) -> bool:
    """Whether the file is there. Its time of access becomes now where that may be set (by its owner, on a writable disk)."""
    try:
        modified = path.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), modified))
    return True


def digests_in(value: object) -> Iterable[Digest]:
    """All strings that are SHA-256 digests, at any depth."""
    if isinstance(value, str):
        if value.startswith("sha256:") and len(value) == 71:
            yield Digest(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from digests_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from digests_in(item)


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turns a full or read-only disk into an error that a user can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BuildError(
                f"the disk that holds {where} is full", why=str(error),
                hint="free some room (kubeiso clean), or set KUBEISO_CACHE to a larger disk; finished work is kept",
            ) from error  # fmt: skip
        if error.errno == errno.EFBIG:
            hint = "see `ulimit -f`, or set KUBEISO_CACHE to a file system that takes larger files"
            raise BuildError(f"a file under {where} may not grow any further", why=str(error), hint=hint) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            hint = "set KUBEISO_CACHE to a directory of yours"
            raise BuildError(f"{where} can't be written", why=str(error), hint=hint) from error
        raise
