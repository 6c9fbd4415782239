"""What is known of a node's root before it is built: folders, files, and links that lead elsewhere."""

import posixpath
from collections.abc import Iterable

from builder.errors import BuildError
from builder.images.model import ImageDescription
from builder.recipe.model import MOUNTED_OVER, File
from builder.spec.model import NodeFile
from builder.symlinks import resolve

# What LinuxKit puts into every root (moby/build/image.go).
FOLDERS = ("containers", "dev", "etc", "proc", "run", "sys", "tmp", "var", "var/lib", "var/log")
FILES = ("etc/hosts",)
LINKS = {"etc/mtab": "/proc/mounts", "etc/resolv.conf": "/run/resolvconf/resolv.conf"}
# The node mounts its state here. What a recipe puts below it lies in the root elsewhere, and a step at boot puts it in its place.
STATE, STATE_FILES = "var", "usr/share/kubeiso/var"


class Root:
    """Paths are relative to the root; those of folders, files and links are known without any link in them."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        for name in FOLDERS:
            self.add_folder(name)
        for name in FILES:
            self.add_file(name)
        for name, target in LINKS.items():
            self.add_link(name, target)

    def copy(self) -> "Root":
        other = Root()
        other._folders, other._files, other._links = set(self._folders), set(self._files), dict(self._links)
        return other

    def add_folder(self, name: str) -> None:
        self._take(self.place(name), self._folders)

    def add_file(self, name: str) -> None:
        self._take(self.place(name), self._files)

    def add_link(self, name: str, target: str) -> None:
        path = self.place(name)
        self._take(path, set())
        self._links[path] = target

    def _take(self, path: str, kind: set[str]) -> None:
        parts = path.split("/")
        self._folders.update("/".join(parts[:count]) for count in range(1, len(parts)))
        self._files.discard(path)
        self._links.pop(path, None)
        kind.add(path)

    def add_image(self, image: ImageDescription, files: Iterable[str]) -> None:
        """What the description of an image of LinuxKit's init section says; `files` are those of its folder."""
        for name, target in image.links.items():
            self.add_link(name, target)
        for name in image.directories:
            self.add_folder(name)
        placed = (path for paths in image.components.values() for path in paths.values())
        for name in (*image.contents, *image.applets, *placed, *files):
            self.add_file(name)

    def add(self, file: NodeFile | File) -> None:
        path = file.path.strip("/")
        if file.symlink is not None:
            self.add_link(path, file.symlink)
        elif not file.directory:
            self.add_file(path)
        elif not self.is_folder(path):
            self.add_folder(path)

    def place(self, name: str, *, last: bool = False) -> str:
        """The path without links among its folders, and with `last` at its end."""
        return resolve(name, self._links.get, last=last)

    def is_folder(self, name: str) -> bool:
        """Also a link to one; what a link below /var leads to is made at boot, and the node's links there are to folders."""
        path = self.place(name, last=True)
        return path in self._folders or (self.place(name) in self._links and path.startswith(f"{STATE}/"))

    def home(self, file: File) -> str:
        """Where the file of a recipe has to lie in the root, so that it is on the node where the recipe wants it."""
        path = self.place(file.path.strip("/"), last=file.directory)
        return f"{STATE_FILES}{path.removeprefix(STATE)}" if path.startswith(f"{STATE}/") else path

    def problem(self, file: File) -> tuple[str, str]:
        """Why a file of a recipe can't be where it is wanted, and what to do; two empty texts where it can."""
        name = file.path.strip("/")
        try:
            path = self.place(name, last=file.directory)
        except BuildError as error:
            return error.what, "correct the links"
        if self.is_folder(name) and not file.directory:
            return f"/{name} is a folder of the node", f"name a file in it, such as /{name}/NAME"
        if file.directory and self.place(name, last=True) in self._files:
            return f"/{name} is a file of the node, not a folder", "choose another path"
        for above in _above(path):
            if above in self._files:
                return f"/{above} is a file, so nothing can lie below it", "choose another path"
        top = path.partition("/")[0]
        if top in MOUNTED_OVER - {STATE} and path not in (top, name):
            return f"it leads to /{path}, and the node mounts a file system of its own on /{top}", "put it elsewhere, say in /etc"
        return "", ""


def _above(path: str) -> list[str]:
    parts = posixpath.dirname(path).split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
