"""The user's own files: --component NAME=PATH for a whole component, NAME/FILE=PATH for one file of it."""

import bz2
import gzip
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from builder.architecture import Platform
from builder.components.source import Files, Request
from builder.errors import InputError
from builder.progress import note
from builder.run import spawn
from builder.store import Digest
from builder.tarball import entries

# The start of an ELF file (ELF specification: e_ident, then e_machine at offset 18).
ELF_MAGIC, MACHINE = b"\x7fELF", slice(18, 20)
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878
OPENERS: dict[bytes, Callable[[Path], IO[bytes]]] = {  # RFC 1952; bzip2; xz file format 2.1.1.1
    b"\x1f\x8b": lambda path: cast(IO[bytes], gzip.open(path)),  # noqa: SIM115
    b"BZh": lambda path: cast(IO[bytes], bz2.open(path)),  # noqa: SIM115
    b"\xfd7zXZ\x00": lambda path: cast(IO[bytes], lzma.open(path)),  # noqa: SIM115
}


def take(request: Request, outputs: Iterable[str]) -> Files:
    """Those of the component's `outputs` that the user gives; they are copied into the store.

    Raises InputError for a path that does not exist or lacks a file, and for a file that is no program for the platform.
    """
    wanted = set(outputs)
    files: Files = {}
    whole = request.overrides.get(request.name)
    if whole is not None:
        files |= _whole(request.name, whole, wanted, request)
    for key, path in request.overrides.items():
        name, _, file = key.partition("/")
        if name == request.name and file:
            if file not in wanted:
                raise InputError(f"the component {name} has no file {file}", hint=f"its files are: {', '.join(sorted(wanted))}")
            files[file] = _single(key, path, request)
    if files:
        note(f"{request.name}: {', '.join(sorted(files))} from your own files, taken as version {request.description.version}")
    return files


def _whole(name: str, path: Path, wanted: set[str], request: Request) -> Files:
    if not path.exists():
        raise InputError(f"--component {name}={path}: there is no such file or directory")
    if path.is_dir():
        files = _from_directory(name, path, wanted, request)
    elif _is_archive(path):
        files = _from_archive(name, path, wanted, request)
    elif len(wanted) == 1:
        return {next(iter(wanted)): _single(name, path, request)}
    else:
        files = {path.name: _single(name, path, request)} if path.name in wanted else {}
    missing = sorted(wanted - set(files))
    if missing:
        raise InputError(
            f"--component {name}={path}: missing {', '.join(missing)}",
            why=f"the component {name} has {len(wanted)} files: {', '.join(sorted(wanted))}",
            hint=f"give a directory or an archive that holds all of them, or single files with --component {name}/FILE=PATH",
        )
    return files


def _single(key: str, path: Path, request: Request) -> Digest:
    if not path.is_file():
        raise InputError(f"--component {key}={path}: there is no such file")
    with path.open("rb") as file:
        _check_program(f"{key}={path}", file.read(20), request.platform)
    return request.store.put_file(path)


def _from_directory(name: str, directory: Path, wanted: set[str], request: Request) -> Files:
    """Files are found by their name, wherever in the directory they lie."""
    places = {file: sorted(path for path in directory.rglob(file) if path.is_file()) for file in sorted(wanted)}
    for file, found in places.items():
        _only_one(name, directory, file, [str(path) for path in found])
    return {file: _single(name, found[0], request) for file, found in places.items() if found}


def _from_archive(name: str, archive: Path, wanted: set[str], request: Request) -> Files:
    files: Files = {}
    places: dict[str, list[str]] = {}
    try:
        with _opened(archive) as stream:
            for info, content in entries(stream):
                file = PurePosixPath(info.name).name
                if content is not None and file in wanted:
                    places.setdefault(file, []).append(info.name)
                    files[file] = request.store.put_stream(content)
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError) as error:
        raise InputError(f"--component {name}={archive}: the archive can't be read", why=str(error)) from error
    for file, found in places.items():
        _only_one(name, archive, file, found)
        with request.store.path(files[file]).open("rb") as content:
            _check_program(f"{name}={archive}:{found[0]}", content.read(20), request.platform)
    return files


def _only_one(name: str, where: Path, file: str, found: list[str]) -> None:
    if len(found) > 1:
        raise InputError(
            f"--component {name}={where}: {file} is there {len(found)} times", details=tuple(found),
            hint=f"say which one: --component {name}/{file}=PATH",
        )  # fmt: skip


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZSTD_MAGIC or tarfile.is_tarfile(path)


@contextmanager
def _opened(archive: Path) -> Iterator[IO[bytes]]:
    """The uncompressed archive as a stream; what it is compressed with is told by its first bytes."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(ZSTD_MAGIC):
        with spawn(["zstd", "-dc", "--", archive], stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            yield process.stdout
        return
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
    with opener(archive) if opener else archive.open("rb") as stream:
        yield stream


def _check_program(what: str, start: bytes, platform: Platform) -> None:
    if start.startswith(b"#!"):
        return
    if not start.startswith(ELF_MAGIC) or start[MACHINE] != platform.elf.to_bytes(2, "little"):
        why = "it is for another machine" if start.startswith(ELF_MAGIC) else "it is neither an ELF file nor a script"
        raise InputError(f"--component {what}: not a program that an {platform.spoken} Linux can run", why=why)
