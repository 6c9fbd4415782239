"""The user's own files: --component NAME=PATH for a whole component, NAME/FILE=PATH for one file of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from builder.architecture import Platform
from builder.components.archive import BROKEN, is_archive, opened
from builder.components.members import taken
from builder.components.source import Files, Request
from builder.errors import BuildError, InputError
from builder.progress import note
from builder.store import Digest
from builder.tarball import entries

# The start of an ELF file (ELF specification: e_ident, then e_machine at offset 18).
ELF_MAGIC, MACHINE = b"\x7fELF", slice(18, 20)


@dataclass(frozen=True)
class Upstream:
    """What is known of the upstream's own archive.

    places: where it has each file of the component; of several files of one name, the one that lies so is taken.
    data: those of the component's files that are no programs.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    data: Collection[str] = ()


NOTHING_KNOWN = Upstream()


def take(request: Request, outputs: Iterable[str], upstream: Upstream = NOTHING_KNOWN) -> Files:
    """Those of the component's `outputs` that the user gives; they are copied into the store.

    Raises InputError for a path that does not exist or lacks a file, and for a file that is no program for the platform.
    """
    wanted = set(outputs)
    files: Files = {}
    whole = request.overrides.get(request.name)
    if whole is not None:
        files |= _whole(request.name, whole, wanted, request, upstream)
    for key, path in request.overrides.items():
        name, _, file = key.partition("/")
        if name == request.name and file:
            if file not in wanted:
                raise InputError(f"the component {name} has no file {file}", hint=f"its files are: {', '.join(sorted(wanted))}")
            files[file] = _single(key, path, request, data=file in upstream.data)
    if files:
        note(f"{request.name}: {', '.join(sorted(files))} from your own files, taken as version {request.description.version}")
    return files


def _whole(name: str, path: Path, wanted: set[str], request: Request, upstream: Upstream) -> Files:
    if not path.exists():
        raise InputError(f"--component {name}={path}: there is no such file or directory")
    if path.is_dir():
        files = _from_directory(name, path, wanted, request, upstream)
    elif is_archive(path):
        files = _from_archive(name, path, wanted, request, upstream)
    elif len(wanted) == 1:
        only = next(iter(wanted))
        return {only: _single(name, path, request, data=only in upstream.data)}
    else:
        files = {path.name: _single(name, path, request, data=path.name in upstream.data)} if path.name in wanted else {}
    missing = sorted(wanted - set(files))
    if missing:
        raise InputError(
            f"--component {name}={path}: missing {', '.join(missing)}",
            why=f"the component {name} has {len(wanted)} files: {', '.join(sorted(wanted))}",
            hint=f"give a directory or an archive that holds all of them, or single files with --component {name}/FILE=PATH",
        )
    return files


def _single(key: str, path: Path, request: Request, *, data: bool) -> Digest:
    if not path.is_file():
        raise InputError(f"--component {key}={path}: there is no such file")
    if not data:
        with path.open("rb") as file:
            check_program(f"--component {key}={path}", file.read(20), request.platform)
    return request.store.put_file(path)


def _from_directory(name: str, directory: Path, wanted: set[str], request: Request, upstream: Upstream) -> Files:
    """Files are found by their name, wherever in the directory they lie."""
    files: Files = {}
    for file in sorted(wanted):
        found = {str(path): path for path in sorted(directory.rglob(file)) if path.is_file()}
        if found:
            place = _only_one(name, directory, file, list(found), upstream.places)
            files[file] = _single(name, found[place], request, data=file in upstream.data)
    return files


def _from_archive(name: str, archive: Path, wanted: set[str], request: Request, upstream: Upstream) -> Files:
    """Files are found by their name, wherever in the archive they lie; a link to one inside it is followed."""
    chosen = {
        file: _only_one(name, archive, file, found, upstream.places)
        for file, found in _named(name, archive, wanted).items()
    }  # fmt: skip
    try:
        files = taken(archive, chosen, request.store)
    except BuildError as error:
        raise InputError(f"--component {name}={archive}: {error.what}", why=error.why, details=error.details) from error
    for file in sorted(set(files) - set(upstream.data)):
        with request.store.path(files[file]).open("rb") as content:
            check_program(f"--component {name}={archive}:{chosen[file]}", content.read(20), request.platform)
    return files


def _named(name: str, archive: Path, wanted: set[str]) -> dict[str, list[str]]:
    """File -> the places in the archive that have its name: plain files, and symbolic links."""
    found: dict[str, list[str]] = {}
    try:
        with opened(archive) as stream:
            for info, _ in entries(stream):
                file = PurePosixPath(info.name).name
                if file in wanted and (info.isreg() or info.issym()):
                    found.setdefault(file, []).append(info.name.removeprefix("./"))
    except BROKEN as error:
        raise InputError(f"--component {name}={archive}: the archive can't be read", why=str(error)) from error
    return found


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
