"""The tree that a root tar stands for: for every path the entry that wins."""

import posixpath
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import BuildError
from builder.symlinks import resolve
from builder.tarball import directory

LOCATION = "LINUXKIT.location"
CONTAINER = re.compile(r"containers/(onboot|onshutdown|services|volumes)/[^/]+/(lower|rootfs)(?=/|$)")


@dataclass(frozen=True, eq=False)
class Node:
    """One inode: the header that made it, and the part of the LinuxKit YAML that it came from ("" where that is unknown)."""

    info: tarfile.TarInfo
    location: str = ""

    @property
    def is_directory(self) -> bool:
        return self.info.isdir()

    @property
    def size(self) -> int:
        return self.info.size if self.info.isreg() else 0


@dataclass
class Tree:
    """Path (relative, "" is the root) -> node. Hard links are several paths of one node. `tar` holds the contents."""

    tar: Path
    nodes: dict[str, Node] = field(default_factory=lambda: {"": implied("")})

    def resolve(self, name: str, *, last: bool = False) -> str:
        """The path without symbolic links among its directories; with `last` a link at its end is followed too."""
        return resolve(name, self._link, last=last, home=container)

    def _link(self, path: str) -> str | None:
        node = self.nodes.get(path)
        return node.info.linkname if node is not None and node.info.issym() else None

    def place(self, info: tarfile.TarInfo) -> None:
        """Takes the next entry in. Raises BuildError for a hard link that leads to no file."""
        path = self.resolve(info.name)
        if info.islnk():
            self._set(path, self._link_target(info))
        elif info.isdir():
            self._set_directory(path, Node(info, location(info)))
        else:
            self._set(path, Node(info, location(info)))

    def _link_target(self, info: tarfile.TarInfo) -> Node:
        found = self.nodes.get(self.resolve(info.linkname))
        if found is None or found.is_directory:
            raise BuildError(f"/{info.name} is a hard link to /{info.linkname}, which is no file before it in the root tar")
        return found

    def _set_directory(self, path: str, node: Node) -> None:
        """A link to a directory stays, as with tar's --keep-directory-symlink: else a file in /lib would undo a merged /usr."""
        old = self.nodes.get(path)
        if old is not None and old.info.issym():
            target = self.nodes.get(self.resolve(path, last=True))
            if target is None or target.is_directory:
                return
        self._parents(path)
        self.nodes[path] = node

    def _set(self, path: str, node: Node) -> None:
        if not path:
            raise BuildError("the root tar has an entry that would replace the root directory itself")
        old = self.nodes.get(path)
        beneath = self._take_beneath(path) if old is not None and old.is_directory else {}
        self._parents(path)
        self.nodes[path] = node
        if beneath and node.info.issym():
            self._move(beneath, self.resolve(path, last=True))

    def _take_beneath(self, path: str) -> dict[str, Node]:
        names = [name for name in self.nodes if name.startswith(path + "/")]
        return {name[len(path) + 1 :]: self.nodes.pop(name) for name in names}

    def _move(self, beneath: dict[str, Node], target: str) -> None:
        """What lay in a directory that a symbolic link replaces goes where the link leads; what is there already stays."""
        for name, node in sorted(beneath.items()):
            path = self.resolve(posixpath.join(target, name))
            if path not in self.nodes:
                self._parents(path)
                self.nodes[path] = node

    def _parents(self, path: str) -> None:
        parent = posixpath.dirname(path)
        node = self.nodes.get(parent)
        if node is None or not node.is_directory:
            self._parents(parent)
            self.nodes[parent] = implied(parent)

    def find(self, name: str) -> Node | None:
        """The node that opening the path would reach."""
        return self.nodes.get(self.resolve(name, last=True))

    def read(self, node: Node) -> bytes:
        """The content of a regular file."""
        with self.tar.open("rb") as file:
            file.seek(node.info.offset_data)
            return file.read(node.size)


def container(path: str) -> str:
    """The root of the container whose files the path is among (LinuxKit's layout), "" for the node's own."""
    found = CONTAINER.match(path)
    return found[0] if found else ""


def implied(path: str) -> Node:
    """A directory that no entry names."""
    return Node(directory(path))


def location(info: tarfile.TarInfo) -> str:
    return info.pax_headers.get(LOCATION, "")


def read_tree(tar: Path) -> Tree:
    """Reads an uncompressed root tar's headers. Raises BuildError when it is no sound tar."""
    tree = Tree(tar)
    try:
        with tarfile.open(tar, "r:") as archive:
            for info in archive:
                tree.place(info)
    except tarfile.TarError as error:
        raise BuildError("the root tree is no sound tar", why=str(error)) from error
    return tree
