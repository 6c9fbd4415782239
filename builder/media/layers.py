"""Root tree -> squashfs layers.

What is big and seldom changes becomes layers of its own that later builds find in the store; the rest, and every directory,
becomes one small layer on top. A file of which it is known that it changes has a layer to itself. No path but directories is in
two layers. Each layer's file has the squashfs, and behind it the hashes of its blocks (verity.py).
"""

import copy
import hashlib
import os
import posixpath
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

from builder.media.overlay import directories_with_whiteouts, escaped
from builder.media.tree import Node, Tree
from builder.media.verity import Root, seal, seal_argv, veritysetup_version
from builder.progress import Step, note, step
from builder.run import failure, spawn
from builder.store import CHUNK, Digest, Store, key_of
from builder.tarball import EPOCH, directory
from builder.versions import told

LARGE_FILE = 256 << 10
OWN_LAYER = 8 << 20
BLOCK = "256K"
DENSE, FAST = 15, 6
BOOT_FILES = "boot/"


@dataclass(frozen=True)
class Sealed:
    """A layer's file, in the store, and the root of its hashes."""

    layer: Digest
    root: Root


@dataclass(frozen=True)
class Layer:
    """What goes into one squashfs: headers in the order of their names, and where the content of each file begins in the tar."""

    title: str
    level: int
    entries: tuple[tuple[tarfile.TarInfo, int], ...]

    @property
    def size(self) -> int:
        return sum(info.size for info, _ in self.entries if info.isreg())


def plan(tree: Tree, changing: frozenset[Node] = frozenset()) -> list[Layer]:
    """The layers of a tree, lowest first. Files below /boot are on the medium itself and in no layer.

    Each node of `changing` gets a layer of its own, compressed as quickly as the small files.
    """
    infos = {path: node.info for path, node in tree.nodes.items()}
    marked = directories_with_whiteouts(infos)
    groups = grouped(tree, changing)
    top = sorted([*groups.pop("", []), *(path for path, node in tree.nodes.items() if node.is_directory and path)])

    def layer(title: str, level: int, paths: list[str]) -> Layer:
        return Layer(title, level, tuple(headers(tree, with_parents(paths), marked, own_directories=False)))

    large = [layer(title, DENSE, paths) for title, paths in sorted(groups.items())]
    own = [layer(posixpath.basename(paths[0]), FAST, paths) for paths in sorted(names_of(tree, changing))]
    return [*large, *own, Layer("the small files", FAST, tuple(headers(tree, top, marked, own_directories=True)))]


def names_of(tree: Tree, nodes: frozenset[Node]) -> Iterable[list[str]]:
    """The paths of each of the nodes, sorted."""
    found: defaultdict[Node, list[str]] = defaultdict(list)
    for path, node in sorted(tree.nodes.items()):
        if node in nodes:
            found[node].append(path)
    return found.values()


def grouped(tree: Tree, changing: frozenset[Node] = frozenset()) -> dict[str, list[str]]:
    """Paths of all that is no directory by the layer's title; "" is the top layer."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    nodes: defaultdict[str, set[Node]] = defaultdict(set)
    for path, node in tree.nodes.items():
        if node.is_directory or node in changing or path.startswith(BOOT_FILES):
            continue
        title = f"{node.location or 'elsewhere'}, {'large' if node.size >= LARGE_FILE else 'small'} files"
        members[title].append(path)
        nodes[title].add(node)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for title, paths in members.items():
        own = sum(node.size for node in nodes[title]) > OWN_LAYER
        groups[title if own else ""] += paths
    return dict(groups)


def with_parents(paths: Iterable[str]) -> list[str]:
    """The paths and all directories above them, each before what is in it."""
    found: set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = posixpath.dirname(path)
    return sorted(found)


def headers(
    tree: Tree, paths: list[str], marked: frozenset[str], *, own_directories: bool
) -> Iterator[tuple[tarfile.TarInfo, int]]:
    """Headers for the paths; further names of a node become hard links.

    Without `own_directories` the directories are plain ones, so that a layer does not change when the mode of one does.
    """
    first: dict[Node, str] = {}
    for path in paths:
        node = tree.nodes[path]
        if node.is_directory and not own_directories:
            yield directory(path), 0
            continue
        made = escaped(path, node.info, marked)
        if not node.is_directory and first.setdefault(node, path) != path:
            made = copy.copy(made)
            made.type, made.linkname, made.size, made.pax_headers = tarfile.LNKTYPE, first[node], 0, {}
        yield made, node.info.offset_data


def layer_key(tree: Tree, layer: Layer, version: str) -> str:
    """Changes with anything that the squashfs depends on: headers, contents, the program and its options."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(partial(content_digest, tree.tar), layer.entries))
    rows = [[*describe(info), digest] for (info, _), digest in zip(layer.entries, digests, strict=True)]
    argv = (*squash_argv(Path("layer"), layer.level), *seal_argv(Path("layer"), 0))
    return key_of("squashfs layer", version, veritysetup_version(), argv, rows)


def describe(info: tarfile.TarInfo) -> list[object]:
    xattrs = {key: value.encode("utf-8", "surrogateescape").hex() for key, value in info.pax_headers.items()}
    name, link = (text.encode("utf-8", "surrogateescape").hex() for text in (info.name, info.linkname))
    device = [info.devmajor, info.devminor] if info.isdev() else []
    return [name, link, info.type.decode(), info.mode, info.uid, info.gid, info.mtime, info.size, device, xattrs]


def content_digest(tar: Path, entry: tuple[tarfile.TarInfo, int]) -> str:
    info, offset = entry
    if not info.isreg() or not info.size:
        return ""
    value = hashlib.sha256()
    with tar.open("rb", buffering=0) as file:
        for piece in pieces(file, offset, info.size):
            value.update(piece)
    return value.hexdigest()


def pieces(file: IO[bytes], offset: int, size: int) -> Iterator[bytes]:
    file.seek(offset)
    while size > 0:
        data = file.read(min(size, CHUNK))
        if not data:
            raise EOFError("the root tar ends within a file")
        size -= len(data)
        yield data


def squash_argv(target: Path, level: int) -> list[str]:
    """mksquashfs reads a tar on its stdin: so owners, devices and attributes need no root."""
    return [
        "mksquashfs", "-", os.fspath(target), "-tar", "-noappend", "-no-progress", "-quiet", "-exit-on-error",
        "-comp", "zstd", "-Xcompression-level", str(level), "-b", BLOCK,
        "-root-mode", "0755", "-root-uid", "0", "-root-gid", "0",
    ]  # fmt: skip


def owned_by_root(argv: list[str], version: str, user: int) -> list[str]:
    """Before 4.6 mksquashfs gives the root directory of a tar to whoever runs it, so that one must seem to be root."""
    found = re.search(r"version (\d+)\.(\d+)", version)
    old = found is not None and (int(found[1]), int(found[2])) < (4, 6)
    return ["unshare", "--map-root-user", *argv] if old and user != 0 else argv


def latest(layer: Layer) -> int:
    """The newest time in a layer, in seconds since 1970."""
    return max((int(info.mtime) for info, _ in layer.entries), default=EPOCH)


def squash(tree: Tree, layer: Layer, target: Path) -> None:
    """Writes the layer's squashfs. Raises BuildError with mksquashfs' own words when it fails.

    SOURCE_DATE_EPOCH bounds every time from above: the root directory's, which would be now, and none of the entries'. The
    options for times can't be had together with it, and before 4.6 they left the root directory as it was.
    """
    argv = owned_by_root(squash_argv(target, layer.level), squashfs_version(), os.geteuid())
    log = target.with_suffix(".log")
    with (
        step(f"squashing {layer.title}", total=layer.size, unit="B") as work,
        log.open("wb") as out,
        spawn(argv, env={"SOURCE_DATE_EPOCH": str(latest(layer))}, stdin=PIPE, stdout=out, stderr=out) as process,
    ):
        assert process.stdin is not None
        broken = not feed(tree.tar, layer, process.stdin, work)
        code = process.wait()
    if code != 0 or broken:
        raise failure(argv, code, log.read_text(errors="replace"))


def feed(tar: Path, layer: Layer, pipe: IO[bytes], work: Step) -> bool:
    """Writes the layer as a PAX tar; False when the reader has gone."""
    try:
        with tar.open("rb", buffering=0) as contents:
            for info, offset in layer.entries:
                pipe.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
                for data in pieces(contents, offset, info.size if info.isreg() else 0):
                    pipe.write(data)
                    work.advance(len(data))
                pipe.write(bytes(-info.size % tarfile.BLOCKSIZE if info.isreg() else 0))
            pipe.write(bytes(2 * tarfile.BLOCKSIZE))
        pipe.close()
    except BrokenPipeError:
        return False
    return True


def make_layers(tree: Tree, store: Store, changing: Iterable[Digest] = ()) -> list[Sealed]:
    """The layers' files, lowest first; those that an earlier build made are taken from the store.

    changing: contents, in the store, of files that get layers of their own.
    """
    version = squashfs_version()
    layers = plan(tree, nodes_with(tree, {digest: store.path(digest).stat().st_size for digest in changing}))
    keys = [layer_key(tree, layer, version) for layer in layers]
    known = sum(store.recall(key) is not None for key in keys)
    note(f"{len(layers)} layers of the root tree, {known} of them made before")
    return [sealed(store.once(key, partial(make_layer, tree, layer, store))) for key, layer in zip(keys, layers, strict=True)]


def make_layer(tree: Tree, layer: Layer, store: Store) -> dict[str, object]:
    with store.workdir("layer") as work:
        squash(tree, layer, work / "layer.squashfs")
        root = seal(work / "layer.squashfs")
        return {"layer": store.adopt(work / "layer.squashfs"), "root": root.hash, "blocks": root.blocks}


def sealed(made: Mapping[str, Any]) -> Sealed:
    return Sealed(Digest(made["layer"]), Root(made["blocks"], made["root"]))


def nodes_with(tree: Tree, contents: Mapping[Digest, int]) -> frozenset[Node]:
    """The files with one of these contents, of which the sizes are known too."""
    sizes = set(contents.values())
    alike = {node for path, node in tree.nodes.items() if node.size in sizes and not path.startswith(BOOT_FILES)}
    digest_of = {node: f"sha256:{content_digest(tree.tar, (node.info, node.info.offset_data))}" for node in alike if node.size}
    return frozenset(node for node, digest in digest_of.items() if digest in contents)


def squashfs_version() -> str:
    """The first line of `mksquashfs -version`; the bits of a layer depend on it."""
    return told(["mksquashfs", "-version"], check=False).partition("\n")[0]
