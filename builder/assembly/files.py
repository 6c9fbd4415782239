"""The `files` of a LinuxKit YAML (filesystem in moby/build/build.go), and the configuration that LinuxKit can put among them."""

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import dirname

from builder import tarball
from builder.assembly.containers import numeric_id
from builder.assembly.gojson import indented
from builder.assembly.goyaml import marshal
from builder.assembly.pax import Entry, clean
from builder.assembly.rootfs import labelled
from builder.assembly.shapes import CONTAINER, FILE, KERNEL, VOLUME, Shape, Value, decode, to_json, to_yaml
from builder.errors import InputError
from builder.frozen import Frozen
from builder.linuxkit.model import Document, File
from builder.references import expand
from builder.store import Digest, file_digest

SOURCE = "linuxkit.files"


def file_entries(document: Document, ids: Mapping[str, int]) -> Iterator[Entry]:
    """The files in their order, each with those of its parents that this section has not made yet.

    A parent gets the mode and the owner of the first file below it, and may be entered by whoever may do anything with it.
    """
    made: set[str] = set()
    for index, file in enumerate(document.files or []):
        where, path = f"files[{index}]", file.path.removeprefix("/")
        if not file.path:
            raise InputError(f"{where}: no path is given")
        content = _content(file, document, where)
        if content is None and _is_content(file):
            continue
        info = _header(file, path, len(content or b""), ids, where)
        for parent in _parents(path):
            if parent not in made:
                yield labelled(_parent(parent, info, _mode(file, where)), SOURCE, where), None
                made.add(parent)
        made.add(path)
        yield labelled(info, SOURCE, where), content


def sources(document: Document) -> dict[str, Digest]:
    """The digest of every file of this machine that the document takes content from, by the path it is named with."""
    named = (file.source for file in document.files or [] if file.source)
    return {source: file_digest(_local(source)) for source in named if _local(source).is_file()}


def _local(source: str) -> Path:
    return Path(source).expanduser() if source.startswith("~/") else Path(source)


def _is_content(file: File) -> bool:
    return not file.directory and not file.symlink


def _content(file: File, document: Document, where: str) -> bytes | None:
    """The content of a regular file; None for others, and for an optional file whose source is not there."""
    given = [key for key in ("contents", "source", "metadata") if getattr(file, key) not in (None, "")]
    other = [key for key in ("directory", "symlink") if getattr(file, key)]
    given = [*other, *given] if file.contents != "" or other else [*given, "contents"]
    if len(given) != 1:
        found = ", ".join(given) or "none"
        raise InputError(f"{where} ({file.path}): one of contents, source, metadata, directory, symlink is needed, not {found}")
    if other:
        return None
    if file.source:
        return _read(file, where)
    if file.metadata:
        return configuration(document, file.metadata)
    return (file.contents or "").encode()


def _read(file: File, where: str) -> bytes | None:
    path = _local(file.source or "")
    if file.optional and not path.exists():
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{where} ({file.path}): the source {file.source} can't be read", why=str(error)) from error


def _mode(file: File, where: str) -> int:
    if not file.mode:
        return 0o700 if file.directory else 0o600
    if not re.fullmatch("[+-]?[0-7]+", file.mode):
        raise InputError(f"{where} ({file.path}): the mode {file.mode!r} is not octal")
    return int(file.mode, 8)


def _header(file: File, path: str, size: int, ids: Mapping[str, int], where: str) -> tarfile.TarInfo:
    kind = tarfile.DIRTYPE if file.directory else tarfile.SYMTYPE if file.symlink else tarfile.REGTYPE
    uid, gid = (numeric_id(name, ids, where) for name in (file.uid, file.gid))
    linkname = "" if file.directory else file.symlink or ""
    return tarball.entry(path, mode=_mode(file, where), type=kind, size=size, linkname=linkname, uid=uid, gid=gid)


def _parents(path: str) -> list[str]:
    parts = [part for part in clean(dirname(path)).split("/") if part not in ("", ".")]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _parent(path: str, child: tarfile.TarInfo, mode: int) -> tarfile.TarInfo:
    for digit in (0o700, 0o070, 0o007):
        if mode & digit:
            mode |= digit & 0o111
    return tarball.entry(path, mode=mode, type=tarfile.DIRTYPE, uid=child.uid, gid=child.gid)


def configuration(document: Document, form: str) -> bytes:
    """The whole document as LinuxKit writes it for `metadata: yaml` or `metadata: json`, image names completed."""
    convert = to_json if form == "json" else to_yaml

    def section(shape: Shape, items: list[Value], where: str) -> list[Value]:
        return [convert(shape, decode(shape, item, f"{where}[{index}]")) for index, item in enumerate(items)]

    containers = {
        name: section(CONTAINER, [_completed(entry) for entry in getattr(document, name) or []], name)
        for name in ("onboot", "onshutdown", "services")
    }
    lists = {
        "init": [expand(reference) for reference in document.init],
        **containers,
        "files": section(FILE, [_plain(file) for file in document.files or []], "files"),
        "volumes": section(VOLUME, [_plain(volume) for volume in document.volumes or []], "volumes"),
    }
    kernel = convert(KERNEL, decode(KERNEL, _completed(document.kernel), "kernel"))
    if form == "json":  # an empty Go slice is null there
        return indented({"kernel": kernel, **{name: items or None for name, items in lists.items()}})
    return marshal({"kernel": kernel, **lists})


def _plain(section: Frozen) -> Value:
    return section.model_dump(by_alias=True, exclude_none=True)


def _completed(section: Frozen) -> Value:
    plain = _plain(section)
    return plain | {"image": expand(plain["image"])}
