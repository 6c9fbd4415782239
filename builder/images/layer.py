"""What a description asks for -> the file tree of the image's layer."""

import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from builder import elf
from builder.components.model import Component
from builder.errors import InputError
from builder.images.model import ImageDescription
from builder.images.tree import Node, Spool, Tree, directory, file, symlink
from builder.store import Digest, Store

CERTIFICATES = "usr/share/ca-certificates"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def add_components(tree: Tree, description: ImageDescription, components: Mapping[str, Component], store: Store) -> None:
    """Puts the components' files at their paths; programs and scripts are executable.

    What is one of several names of a program becomes a link to where that lies (`shared_programs`).
    """
    for name, files in description.components.items():
        for file_name, path in files.items():
            digest = blob_of(components, name, file_name)
            if digest == one_program(components[name]):
                tree.add(path, symlink(posixpath.relpath(shared_place(name), posixpath.dirname(path))))
            else:
                blob = store.path(digest)
                tree.add(path, file(blob, 0o755 if _runs(blob) else 0o644))


def one_program(component: Component) -> Digest | None:
    """The program that is several of the component's files, each by its name; None where every file is another."""
    most = Counter(component.files.values()).most_common(1)
    return next((digest for digest, names in most if names > 1), None)


def shared_programs(description: ImageDescription, components: Mapping[str, Component]) -> dict[str, Digest]:
    """Where the image has programs of several names, and what each is. Each is to be a layer that images have in common."""
    found = {}
    for name, files in description.components.items():
        one = one_program(components[name]) if name in components else None
        if one and any(components[name].files.get(each) == one for each in files):
            found[shared_place(name)] = one
    return found


def shared_place(component: str) -> str:
    """The same in every image, so that the layer is the same."""
    return f"usr/lib/{component}/{component}"


def _runs(blob: Path) -> bool:
    with blob.open("rb") as content:
        return content.read(len(elf.MAGIC)).startswith((elf.MAGIC, b"#!"))


def blob_of(components: Mapping[str, Component], name: str, file_name: str) -> Digest:
    """The blob of a component's file; raises InputError where the component or the file is not there."""
    if name not in components:
        raise InputError(f"the image needs the component {name}, which was not given", hint=f"there are: {_list(components)}")
    files = components[name].files
    if file_name not in files:
        raise InputError(f"the component {name} has no file {file_name}", hint=f"it has: {_list(files)}")
    return files[file_name]


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"


def add_folder(tree: Tree, folder: Path) -> None:
    """Adds the files of a folder: executable (0755) or not (0644), as git knows them, and links as they are."""
    for path in folder_files(folder):
        name = path.relative_to(folder).as_posix()
        tree.add(name, symlink(path.readlink().as_posix()) if path.is_symlink() else file(path, folder_mode(path)))


def folder_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def folder_mode(path: Path) -> int:
    return 0o755 if path.lstat().st_mode & 0o100 else 0o644


def add_texts_and_links(tree: Tree, description: ImageDescription, spool: Spool) -> None:
    """Adds directories, contents, links and applets. An applet gives way to a program of that name."""
    for name, mode in description.directories.items():
        tree.add(name, directory(int(mode, 8)))
    for name, text in description.contents.items():
        tree.add(name, Node(content=spool.put(text.encode())))
    for name, target in description.links.items():
        tree.add(name, symlink(target))
    for program, names in description.applets.items():
        home, _, base = program.rpartition("/")
        for applet in names.split():
            if not any(f"{place}/{applet}" in tree for place in (home, "usr/bin", "usr/sbin")):
                tree.add(f"{home}/{applet}", symlink(base))


def set_modes(tree: Tree, description: ImageDescription) -> None:
    """Raises InputError for a mode of what is no file of the image."""
    for name, mode in description.modes.items():
        node = tree.get(name)
        if node is None or node.content is None:
            raise InputError(f"the image has no file {name}, whose mode is to be {mode}", hint="look at `modes` in its image.yml")
        tree.add(name, replace(node, mode=int(mode, 8)))


def add_certificates(tree: Tree, spool: Spool) -> None:
    """Makes the bundle that ca-certificates' maintainer script would make: all certificates, sorted by name."""
    texts = [node.content.read() for node in tree.under(CERTIFICATES).values() if node.content]
    if texts:
        tree.add(BUNDLE, Node(content=spool.put(b"".join(text.rstrip(b"\n") + b"\n" for text in texts))))
