"""The files of a recipe: where each lies in the node's root, and what is text and what is not."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from builder.errors import InputError
from builder.images.model import PlacedFile
from builder.recipe.model import LONGEST_TEXT, File
from builder.spec.model import NodeFile
from builder.spec.root import STATE_FILES, Root

MANIFESTS = "etc/kubeadm/kube-system.init"
"""What kubeadm-manifests.sh applies to a new cluster, in the order of names."""


@dataclass(frozen=True)
class OwnFiles:
    """texts: what the LinuxKit YAML holds, folders and links too. binaries: what no YAML can hold. manifests: for masters."""

    texts: tuple[NodeFile, ...]
    binaries: tuple[PlacedFile, ...]
    manifests: tuple[NodeFile, ...] = ()


def own_files(files: Iterable[File], manifests: Iterable[str], folder: Path, root: Root) -> OwnFiles:
    """folder: where the recipe lies; sources are relative to it. Raises InputError for a source that can't be read."""
    texts: list[NodeFile] = []
    binaries: list[PlacedFile] = []
    known, made = root.copy(), set[str]()
    for file in files:
        home = known.home(file)
        known.add(file)
        texts += _folders_above(home, made)
        made.add(home)
        text = file.contents if file.source is None else text_of(folder / file.source)
        if file.source is not None and text is None:
            binaries.append(PlacedFile(path=home, source=folder / file.source, mode=file.mode))
        else:
            texts.append(NodeFile(path=home, contents=text, symlink=file.symlink, directory=file.directory, mode=file.mode))
    return OwnFiles(tuple(texts), tuple(binaries), tuple(_manifests(manifests, folder)))


def _manifests(names: Iterable[str], folder: Path) -> Iterator[NodeFile]:
    """After those of networks and handlers."""
    for index, name in enumerate(names):
        word = re.sub(r"[^\w.-]", "-", Path(name).stem, flags=re.ASCII)
        yield NodeFile(path=f"{MANIFESTS}/80-{index:03}-{word}.yaml", contents=text_of(folder / name) or "")


READ: Mapping[str, tuple[str, ...]] = {
    "/etc/kubelet.conf.d": ("arguments", "*.conf"), "/etc/environment.d": ("*.conf",), "/etc/sysctl.d": ("*.conf",),
    "/etc/modules-load.d": ("*.conf",), "/etc/modprobe.d": ("*.conf",),
}  # fmt: skip
"""Folders of which the node reads files of these names alone."""


def unread(files: Iterable[File]) -> Iterator[tuple[int, str, str]]:
    """Each file that nobody reads where it lies: its number, why, and what to do."""
    for index, file in enumerate(files):
        folder, _, name = file.path.rpartition("/")
        wanted = READ.get(folder, ("*",))
        if not file.directory and not any(fnmatch(name, pattern) for pattern in wanted):
            yield index, f"nobody reads it: of {folder} the node reads {' and '.join(wanted)}", "give it such a name"


def misplaced(files: Iterable[File], root: Root) -> Iterator[tuple[int, str, str]]:
    """Each file that can't be where it is wanted: its number, what is wrong, and what to do."""
    known = root.copy()
    for index, file in enumerate(files):
        message, hint = known.problem(file)
        if message:
            yield index, message, hint
        else:
            known.add(file)


def text_of(source: Path) -> str | None:
    """The file's text; None where it is none that a YAML could hold as it is."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(f"the recipe's file {source} can't be read", why=str(error)) from error
    try:
        text = data.decode() if len(data) <= LONGEST_TEXT else "\0"
    except UnicodeDecodeError:
        return None
    return text if all(letter.isprintable() or letter in "\n\t" for letter in text) else None


def _folders_above(home: str, made: set[str]) -> Iterator[NodeFile]:
    """Folders below /var get the mode that they have on any node; LinuxKit's would follow the file's."""
    parts = home.split("/")
    for count in range(len(STATE_FILES.split("/")), len(parts)) if home.startswith(f"{STATE_FILES}/") else ():
        path = "/".join(parts[:count])
        if path not in made:
            made.add(path)
            yield NodeFile(path=path, directory=True, mode="0755")
