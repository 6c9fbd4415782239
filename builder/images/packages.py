"""Debian packages -> file tree, streamed out of the .debs without installing or unpacking them."""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from builder.errors import BuildError
from builder.images.names import Globs, merged, plain
from builder.images.tree import XATTR, Content, Node, Spool, Tree, parents
from builder.run import failure, spawn
from builder.store import CHUNK
from builder.tarball import entries

# Keeps the bytes of a regular file while the archive goes by.
Take = Callable[[tarfile.TarInfo, IO[bytes]], Content]

# Left out of every image: documentation, translations, and what serves systemd, shells' completion or compilers.
DROPPED = (
    "etc/apparmor.d", "etc/bash_completion.d", "etc/cron.*", "etc/init.d", "etc/logrotate.d", "etc/rc*.d",
    "usr/include", "usr/lib/*/gconv", "usr/lib/*/pkgconfig", "usr/lib/*.a", "usr/lib/pkgconfig", "usr/lib/systemd",
    "usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/share/apport", "usr/share/bash-completion", "usr/share/bug",
    "usr/share/doc", "usr/share/doc-base", "usr/share/fish", "usr/share/gtk-doc", "usr/share/info",
    "usr/share/initramfs-tools", "usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/menu",
    "usr/share/pkgconfig", "usr/share/reportbug", "usr/share/zsh",
)  # fmt: skip

# Licences have to stay with the programs. A package may link its directory there to that of another.
LICENCES = ("usr/share/doc/*/copyright", "usr/share/common-licenses")


class Filter:
    """Which of the packages' files an image takes. `keep` brings back what is left out by default, `drop` wins over both."""

    def __init__(self, keep: Sequence[str], drop: Sequence[str]) -> None:
        self._keep, self._drop = Globs(keep), Globs(drop)
        self._default, self._licences = Globs(DROPPED), Globs(LICENCES)

    def takes(self, name: str, node: Node) -> bool:
        if self._licences.match(name) or (node.type == tarfile.SYMTYPE and name.rpartition("/")[0] == "usr/share/doc"):
            return True
        if self._drop.match(name):
            return False
        if self._keep:
            return self._keep.match(name)
        return not self._default.match(name)

    @property
    def unused(self) -> list[str]:
        """Globs of `keep` and `drop` that met no file."""
        return sorted([*self._keep.unused, *self._drop.unused])


def add_package(tree: Tree, deb: Path, chosen: Filter, spool: Spool) -> None:
    """Adds a package's files that the filter takes, and the directories that are empty in the package itself.

    Other directories appear with the package's mode and owner once something is in them.
    Raises BuildError when dpkg-deb can't read the package.
    """
    with fsys_stream(deb) as stream:
        found = list(nodes(stream, deb.name, lambda _, file: spool.take(file)))
    filled = {parent for name, _ in found for parent in parents(merged(name))}
    for name, node in found:
        if node.is_directory:
            tree.know(name, node)
        if not (node.is_directory and merged(name) in filled) and chosen.takes(merged(name), node):
            tree.add(name, node)


@contextmanager
def fsys_stream(deb: Path) -> Iterator[IO[bytes]]:
    """The files of a .deb as an uncompressed tar stream; the block has to read it up to its last entry."""
    argv = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with spawn(argv) as process:
        assert process.stdout and process.stderr
        broken: tarfile.TarError | None = None
        try:
            yield process.stdout
        except tarfile.TarError as error:
            broken = error
        while process.stdout.read(CHUNK):
            pass  # the padding after the archive's end
        told = process.stderr.read().decode(errors="replace")
        if process.wait() or broken:
            raise failure(argv, process.returncode, told) from broken


def read_from(deb: Path, wanted: str) -> bytes | None:
    """A regular file of a package; None where it has none of that name. Raises BuildError when dpkg-deb can't read it."""
    found = None
    with fsys_stream(deb) as stream:
        for info, file in entries(stream):
            if file and plain(info.name) == wanted:
                found = file.read()
    return found


def nodes(stream: IO[bytes], origin: str, take: Take) -> Iterator[tuple[str, Node]]:
    """Every entry of a tar stream with its name. `origin` tells apart files of several archives.

    Raises BuildError for a hard link to what did not come before it, which tar(5) does not allow.
    """
    contents: dict[str, Node] = {}
    for info, file in entries(stream):
        name = plain(info.name)
        if info.islnk():
            node = contents[name] = linked(contents, plain(info.linkname), name, origin)
        elif file:
            node = contents[name] = replace(node_of(info), content=take(info, file), inode=f"{origin}:{name}")
        else:
            node = node_of(info)
            if info.issym():
                contents[name] = node
        yield name, node


def linked(contents: dict[str, Node], target: str, name: str, origin: str) -> Node:
    try:
        return contents[target]
    except KeyError:
        why = f"{name} is a hard link to {target}, which no earlier entry is"
        raise BuildError(f"{origin} is no archive of files that can be had", why=why) from None


def node_of(info: tarfile.TarInfo) -> Node:
    """The header as a node, without content."""
    xattrs = sorted((key.removeprefix(XATTR), value) for key, value in info.pax_headers.items() if key.startswith(XATTR))
    return Node(
        type=tarfile.REGTYPE if info.isreg() else info.type, mode=info.mode, uid=info.uid, gid=info.gid,
        target=info.linkname if info.issym() else "", xattrs=tuple(xattrs), device=(info.devmajor, info.devminor),
    )  # fmt: skip
