"""What an image lacks: libraries, loaders, scripts' interpreters, targets of links, the program that it is to run.

Each finding is one line. Names are plain ("usr/bin/sh"); links are followed as if the image were the root of a machine.
"""

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from builder import elf
from builder.oci import Process

# What a running node mounts over the image's own tree, so that links into it are no mistake.
ELSEWHERE = ("dev", "hostroot", "proc", "run", "sys", "var")
# Where ld.so looks without a cache: ld.so(8), and Debian's multiarch folder.
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib", "lib/x86_64-linux-gnu", "lib64", "lib")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINKS_IN_A_ROW = 40


class NotHere(Exception):
    """A path leads to a name that the image does not have, or around in a circle."""


@dataclass
class Rootfs:
    """The files of an image, by its layers, lowest first. Keep them open while it is in use."""

    layers: Sequence[tarfile.TarFile]
    entries: dict[str, tarfile.TarInfo] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = {posixpath.normpath(info.name): info for layer in self.layers for info in layer}
        self._home = {id(info): layer for layer in self.layers for info in layer}

    def resolve(self, path: str, links: int = LINKS_IN_A_ROW) -> str:
        """The plain name behind a path, links followed. Raises NotHere; a path into ELSEWHERE is taken as it is."""
        done = ""
        parts = [part for part in posixpath.normpath("/" + path).split("/") if part]
        for count, part in enumerate(parts):
            done = posixpath.join(done, part)
            if count == 0 and part in ELSEWHERE:
                return "/".join(parts)
            info = self.entries.get(done)
            if info is None:
                raise NotHere(f"there is no /{done}")
            if info.issym():
                if not links:
                    raise NotHere("too many links")
                rest = posixpath.join(posixpath.dirname("/" + done), info.linkname, *parts[count + 1 :])
                return self.resolve(rest, links - 1)
        return done

    def has(self, path: str) -> bool:
        try:
            self.resolve(path)
        except NotHere:
            return False
        return True

    def read(self, info: tarfile.TarInfo) -> bytes:
        file = self.opened(info)
        assert file, info.name
        return file.read()

    def opened(self, info: tarfile.TarInfo) -> IO[bytes] | None:
        return self._home[id(info)].extractfile(info)


def findings(layers: Sequence[Path], process: Process) -> list[str]:
    """All that the image of these layers, lowest first, lacks, sorted."""
    with ExitStack() as stack:
        root = Rootfs([stack.enter_context(tarfile.open(layer, "r:")) for layer in layers])
        found = [*_program(root, process)]
        for name, info in root.entries.items():
            if info.issym():
                found += _link(root, name)
            elif info.isreg():
                found += _file(root, name, info)
    return sorted(found)


def _program(root: Rootfs, process: Process) -> Iterator[str]:
    words = [*process.entrypoint, *process.cmd]
    if words and not root.has(words[0]):
        yield f"the image is to run {words[0]}, which it does not have"


def _link(root: Rootfs, name: str) -> Iterator[str]:
    try:
        root.resolve(name)
    except NotHere as error:
        yield f"/{name} is a link that leads nowhere: {error}"


def _file(root: Rootfs, name: str, info: tarfile.TarInfo) -> Iterator[str]:
    file = root.opened(info)
    start = file.read(len(elf.MAGIC)) if file else b""
    if start == elf.MAGIC:
        yield from _elf(root, name, elf.needs(root.read(info)))
    elif start.startswith(b"#!") and info.mode & 0o100:
        yield from _script(root, name, root.read(info).splitlines()[0][2:].decode().split())


def _elf(root: Rootfs, name: str, needs: elf.Needs) -> Iterator[str]:
    home = posixpath.dirname(name)
    search = [folder.replace("$ORIGIN", f"/{home}").replace("${ORIGIN}", f"/{home}") for folder in needs.search]
    if needs.loader and not root.has(needs.loader):
        yield f"/{name} needs the loader {needs.loader}"
    for library in needs.libraries:
        if not any(root.has(posixpath.join(folder, library)) for folder in (*search, *LIBRARIES)):
            yield f"/{name} needs the library {library}"


def _script(root: Rootfs, name: str, words: list[str]) -> Iterator[str]:
    program, *arguments = words
    if not root.has(program):
        yield f"/{name} is a script for {program}"
    elif posixpath.basename(program) == "env" and not any(root.has(f"{folder}/{arguments[0]}") for folder in PATH.split(":")):
        yield f"/{name} is a script for {arguments[0]}"
