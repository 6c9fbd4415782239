"""Whether a developer's own programs find in their images what they are linked to."""

import posixpath
from collections.abc import Iterator, Mapping

from builder import elf
from builder.components.kubernetes import NAME, OPTION, STATIC
from builder.components.model import Component
from builder.errors import InputError
from builder.oci import Image, layer_entries, layer_paths
from builder.provenance.model import Contents
from builder.store import Store

LIBC = "libc.so.6"


def check_linked(
    components: Mapping[str, Component], folders: Mapping[str, Contents], images: Mapping[str, Image], store: Store
) -> None:
    """Raises InputError that names every own program whose loader, libraries or C library are not in its image."""
    found = components.get(NAME)
    programs = {file: store.path(found.files[file]) for file in found.own} if found else {}
    dynamic = {file: needs for file, path in programs.items() if (needs := elf.needs_of(path)).loader}
    if not dynamic:
        return
    mistakes = []
    for name, folder in folders.items():
        files = set(folder.description.components.get(NAME, ())) & set(dynamic)
        if files:
            libraries = libraries_of(images[name], store)
            mistakes += [f"{file}: {lack} (image {name})" for file in sorted(files) for lack in _lacks(dynamic[file], libraries)]
    if mistakes:
        raise InputError(
            f"{OPTION}: programs are linked to what their images do not have", details=tuple(mistakes),
            why="they were built with cgo, for this machine's C library",
            hint=f"build them without it: {STATIC}",
        )  # fmt: skip


def _lacks(needs: elf.Needs, libraries: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    for name in (posixpath.basename(needs.loader), *needs.libraries):
        if name not in libraries:
            yield f"there is no {name}"
    has = libraries.get(LIBC, needs.glibc)
    if has < needs.glibc:
        yield f"it needs glibc {needs.glibc[0]}.{needs.glibc[1]}, and there is {has[0]}.{has[1]}"


def libraries_of(image: Image, store: Store) -> dict[str, tuple[int, int]]:
    """The base names of shared libraries (and links to them) in the image; with the C library, its version of glibc."""
    found = {}
    for layer in layer_paths(store, image.digest):
        for info, content in layer_entries(layer):
            name = posixpath.basename(info.name)
            if ".so" in name:
                found[name] = elf.needs(content.read()).glibc if name == LIBC and content is not None else (0, 0)
    return found
