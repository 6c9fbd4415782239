"""The user's own files: --component NAME=PATH for a whole component, NAME/FILE=PATH for one file of it."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from builder.architecture import Platform
from builder.components.archive import BROKEN, is_archive, opened
from builder.components.source import Files, Request
from builder.errors import InputError
from builder.progress import note
from builder.store import Digest
from builder.tarball import entries

# The start of an ELF file (ELF specification: e_ident, then e_machine at offset 18).
ELF_MAGIC, MACHINE = b"\x7fELF", slice(18, 20)


def take(request: Request, outputs: Iterable[str], places: Mapping[str, str] | None = None) -> Files:
    """Those of the component's `outputs` that the user gives; they are copied into the store.

    places: where the upstream's own archive has each; of several files of one name, the one that lies so is taken.

    Raises InputError for a path that does not exist or lacks a file, and for a file that is no program for the platform.
    """
    wanted = set(outputs)
    files: Files = {}
    whole = request.overrides.get(request.name)
    if whole is not None:
        files |= _whole(request.name, whole, wanted, request, places or {})
    for key, path in request.overrides.items():
        name, _, file = key.partition("/")
        if name == request.name and file:
            if file not in wanted:
                raise InputError(f"the component {name} has no file {file}", hint=f"its files are: {', '.join(sorted(wanted))}")
            files[file] = _single(key, path, request)
    if files:
        note(f"{request.name}: {', '.join(sorted(files))} from your own files, taken as version {request.description.version}")
    return files


def _whole(name: str, path: Path, wanted: set[str], request: Request, places: Mapping[str, str]) -> Files:
    if not path.exists():
        raise InputError(f"--component {name}={path}: there is no such file or directory")
    if path.is_dir():
        files = _from_directory(name, path, wanted, request, places)
    elif is_archive(path):
        files = _from_archive(name, path, wanted, request, places)
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
        check_program(f"--component {key}={path}", file.read(20), request.platform)
    return request.store.put_file(path)


def _from_directory(name: str, directory: Path, wanted: set[str], request: Request, places: Mapping[str, str]) -> Files:
    """Files are found by their name, wherever in the directory they lie."""
    files: Files = {}
    for file in sorted(wanted):
        found = {str(path): path for path in sorted(directory.rglob(file)) if path.is_file()}
        if found:
            files[file] = _single(name, found[_only_one(name, directory, file, list(found), places)], request)
    return files


def _from_archive(name: str, archive: Path, wanted: set[str], request: Request, places: Mapping[str, str]) -> Files:
    found: dict[str, Files] = {}
    try:
        with opened(archive) as stream:
            for info, content in entries(stream):
                file = PurePosixPath(info.name).name
                if content is not None and file in wanted:
                    found.setdefault(file, {})[info.name] = request.store.put_stream(content)
    except BROKEN as error:
        raise InputError(f"--component {name}={archive}: the archive can't be read", why=str(error)) from error
    files: Files = {}
    for file, digests in found.items():
        place = _only_one(name, archive, file, list(digests), places)
        files[file] = digests[place]
        with request.store.path(files[file]).open("rb") as content:
            check_program(f"--component {name}={archive}:{place}", content.read(20), request.platform)
    return files


def _only_one(name: str, where: Path, file: str, found: list[str], places: Mapping[str, str]) -> str:
    """The one place, or of several the upstream's own. Raises InputError where that is none of them."""
    fitting = found if len(found) == 1 else [each for each in found if f"/{each}".endswith(f"/{places.get(file, chr(0))}")]
    if len(fitting) != 1:
        raise InputError(
            f"--component {name}={where}: {file} is there {len(found)} times", details=tuple(found),
            hint=f"say which one: --component {name}/{file}=PATH",
        )  # fmt: skip
    return fitting[0]


def check_program(what: str, start: bytes, platform: Platform) -> None:
    """Raises InputError, which begins with `what`, for a file that by its first 20 bytes is no program for the platform."""
    if start.startswith(b"#!"):
        return
    if not start.startswith(ELF_MAGIC) or start[MACHINE] != platform.elf.to_bytes(2, "little"):
        why = "it is for another machine" if start.startswith(ELF_MAGIC) else "it is neither an ELF file nor a script"
        raise InputError(f"{what}: not a program that an {platform.spoken} Linux can run", why=why)
