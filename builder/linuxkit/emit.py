"""ImageSpec -> Document."""

from collections.abc import Iterable

from builder.linuxkit.model import ContainerEntry, Document, File, Kernel
from builder.spec.model import Entry, ImageSpec, NodeFile


def document(spec: ImageSpec) -> Document:
    """The LinuxKit YAML of a node image."""
    return Document(
        kernel=Kernel(image=spec.kernel, cmdline=spec.cmdline, ucode=spec.microcode),
        init=list(spec.init),
        onboot=_entries(spec.onboot),
        services=_entries(spec.services),
        files=[File(path="etc/linuxkit.yml", metadata="yaml", mode="0600"), *_files(spec.files)],
    )


def _entries(entries: Iterable[Entry]) -> list[ContainerEntry]:
    return [_entry(entry) for entry in entries]


def _entry(entry: Entry) -> ContainerEntry:
    return ContainerEntry.model_validate({"name": entry.name, "image": entry.image, **entry.settings})


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
