"""ImageSpec -> Document."""

from collections.abc import Iterable

from pydantic import ValidationError

from builder.errors import InputError
from builder.linuxkit.model import ContainerEntry, Document, File, Kernel
from builder.spec.model import Entry, ImageSpec, NodeFile


def document(spec: ImageSpec) -> Document:
    """The LinuxKit YAML of a node image; raises InputError where a recipe's service has keys that LinuxKit does not know."""
    return Document(
        kernel=Kernel(image=spec.kernel, cmdline=spec.cmdline),
        init=list(spec.init),
        onboot=_entries(spec.onboot),
        services=_entries(spec.services),
        files=[File(path="etc/linuxkit.yml", metadata="yaml", mode="0644"), *_files(spec.files)],
    )


def _entries(entries: Iterable[Entry]) -> list[ContainerEntry]:
    return [_entry(entry) for entry in entries]


def _entry(entry: Entry) -> ContainerEntry:
    try:
        return ContainerEntry.model_validate({"name": entry.name, "image": entry.image, **entry.settings})
    except ValidationError as error:
        found = tuple(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"the service {entry.name} has settings that LinuxKit does not know", details=found) from error


def _files(files: Iterable[NodeFile]) -> list[File]:
    return [
        File(
            path=file.path,
            contents=file.contents,
            symlink=file.symlink,
            directory=True if file.directory else None,
            mode=_mode(file),
        )
        for file in files
    ]


def _mode(file: NodeFile) -> str:
    """Octal; a directory can be entered by whoever may read it. LinuxKit gives missing parents a mode that follows this one."""
    mode = int(file.mode, 8)
    return f"{mode | (mode & 0o444) >> 2 if file.directory else mode:04o}"
