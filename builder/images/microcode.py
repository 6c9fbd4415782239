"""CPU microcode -> the archive in which the kernel looks for it before anything else (Documentation/arch/x86/microcode.rst)."""

from collections.abc import Iterator, Mapping

from builder import cpio
from builder.errors import BuildError
from builder.images.names import Globs
from builder.images.tree import Tree, parents


def early_archive(packages: Tree, parts: Mapping[str, str]) -> bytes:
    """A newc archive, not compressed since the kernel would not find it then.

    parts: name in the archive -> glob of the packages' files that it is put together from, in the order of their names, what
    several have alike once. Raises BuildError for a glob that matches nothing.
    """
    folders = sorted({folder for name in parts for folder in parents(name)})
    files = [cpio.file(name, b"".join(_distinct(packages, glob))) for name, glob in sorted(parts.items())]
    return cpio.newc([*map(cpio.directory, folders), *files])


def _distinct(packages: Tree, glob: str) -> Iterator[bytes]:
    chosen, seen = Globs([glob]), set[bytes]()
    for name, node in sorted(packages.under("usr").items()):
        if node.content and chosen.match(name):
            data = node.content.read()
            if data not in seen:
                yield data
            seen.add(data)
    if not seen:
        raise BuildError(f"the kernel's packages have no microcode {glob}")
