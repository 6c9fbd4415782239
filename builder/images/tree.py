"""A file tree in memory: names and headers, with the files' bytes left where they are on disk."""

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from builder.errors import BuildError
from builder.images.names import MERGED, merged, moved_link, plain
from builder.store import CHUNK
from builder.tarball import TarWriter, entry

XATTR = "SCHILY.xattr."


@dataclass(frozen=True)
class Content:
    """The bytes of a regular file: a range of a file on this machine. Sizes in bytes."""

    path: Path
    size: int
    offset: int = 0

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True)
class Node:
    """An entry of the tree. Nodes with the same `inode` (if any) are hard links to one file."""

    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""
    content: Content | None = None
    xattrs: tuple[tuple[str, str], ...] = ()
    device: tuple[int, int] = (0, 0)
    inode: str = ""

    @property
    def is_directory(self) -> bool:
        return self.type == tarfile.DIRTYPE


def directory(mode: int = 0o755) -> Node:
    return Node(type=tarfile.DIRTYPE, mode=mode)


def symlink(target: str) -> Node:
    return Node(type=tarfile.SYMTYPE, mode=0o777, target=target)


def file(path: Path, mode: int = 0o644) -> Node:
    return Node(mode=mode, content=Content(path, path.stat().st_size))


class Spool:
    """Bytes of files that come as a stream, one after another in one file on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def take(self, stream: IO[bytes]) -> Content:
        with self.path.open("ab") as out:
            offset = out.tell()
            while data := stream.read(CHUNK):
                out.write(data)
            return Content(self.path, out.tell() - offset, offset)

    def put(self, data: bytes) -> Content:
        with self.path.open("ab") as out:
            offset = out.tell()
            out.write(data)
        return Content(self.path, len(data), offset)


class Tree:
    """Plain names and their nodes; what is added later replaces what was there. With `merge`, top-level bin, sbin, lib
    and lib64 are parts of usr/."""

    def __init__(self, *, merge: bool = True) -> None:
        self._place = merged if merge else plain
        self._merge = merge
        self._nodes: dict[str, Node] = {}
        self._known: dict[str, Node] = {}

    def add(self, name: str, node: Node) -> None:
        """Puts a node at a name. Of the root only mode and owner are remembered."""
        place = self._place(name)
        if self._merge and place in MERGED and node.is_directory:
            place = f"usr/{place}"
        if self._merge and node.type == tarfile.SYMTYPE:
            node = replace(node, target=moved_link(name, node.target))
        if place:
            self._nodes[place] = node
        else:
            self._known[""] = node

    def know(self, name: str, node: Node) -> None:
        """Remembers a directory's mode and owner, for when something is put into it."""
        self._known[self._place(name)] = node

    def mark(self, name: str, xattr: tuple[str, str]) -> None:
        """Gives a directory an extended attribute."""
        node = self.get(name) or self._known.get(self._place(name)) or directory()
        self.add(name, replace(node, xattrs=(*node.xattrs, xattr)))

    def graft(self, name: str, other: "Tree") -> None:
        """Puts the whole of another tree at a directory's name; hard links stay among its own nodes."""
        self.add(name, other._known.get("", directory()))
        for path, node in other.entries():
            inode = f"{name}:{node.inode}" if node.inode else ""
            self.add(f"{name}/{path}", replace(node, inode=inode))

    def get(self, name: str) -> Node | None:
        return self._nodes.get(self._place(name))

    def __contains__(self, name: str) -> bool:
        return self._place(name) in self._nodes

    def under(self, prefix: str) -> dict[str, Node]:
        """The nodes below a directory by full name, sorted."""
        start = self._place(prefix) + "/"
        return {name: node for name, node in sorted(self._nodes.items()) if name.startswith(start)}

    def link_top(self) -> None:
        """Makes /bin, /sbin, /lib and /lib64 links into usr/, each where usr/ has that directory."""
        for name in MERGED:
            if self.under(f"usr/{name}") and name not in self._nodes:
                self._nodes[name] = symlink(f"usr/{name}")

    def entries(self) -> Iterator[tuple[str, Node]]:
        """Every node sorted by name, parents included. Raises BuildError for a node below something that is no directory."""
        names = {*self._nodes, *(parent for name in self._nodes for parent in parents(name))}
        for name in sorted(names):
            node = self._nodes.get(name) or self._known.get(name) or directory()
            above = self._nodes.get(posixpath.dirname(name))
            if above and not above.is_directory:
                raise BuildError(f"/{name} would lie below /{posixpath.dirname(name)}, which is no directory in this image")
            yield name, node

    def write(self, out: TarWriter) -> None:
        """Writes every entry; of hard links the first name has the bytes."""
        first: dict[str, str] = {}
        for name, node in self.entries():
            if node.inode and node.inode in first:
                out.add(header(name, replace(node, type=tarfile.LNKTYPE, target=first[node.inode], content=None)))
                continue
            first[node.inode] = name
            write_node(out, name, node)


def parents(name: str) -> Iterable[str]:
    """Every directory above a plain name, the root left out."""
    parts = plain(name).split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def header(name: str, node: Node) -> tarfile.TarInfo:
    size = node.content.size if node.content else 0
    info = entry(name, mode=node.mode, type=node.type, size=size, linkname=node.target, uid=node.uid, gid=node.gid)
    info.devmajor, info.devminor = node.device
    info.pax_headers = {XATTR + key: value for key, value in node.xattrs}
    return info


def write_node(out: TarWriter, name: str, node: Node) -> None:
    if node.content is None:
        out.add(header(name, node))
        return
    with node.content.path.open("rb") as source:
        source.seek(node.content.offset)
        out.add(header(name, node), source)
