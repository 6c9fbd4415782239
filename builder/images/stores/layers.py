"""The layers of OCI images as overlayfs wants them unpacked: what the stores of several container runtimes have in common."""

import gzip
import hashlib
import json
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from builder import oci
from builder.errors import BuildError
from builder.images.compose import write_layer
from builder.images.packages import nodes
from builder.images.tree import Content, Node, Spool, Tree, directory
from builder.store import Digest, Store

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """An unpacked layer: its chain id (OCI image-spec) is the snapshot's name."""

    chain: str
    parent: str
    diff: str
    blob: oci.Descriptor

    @property
    def is_packed(self) -> bool:
        """Whether the blob is another than the layer's tar."""
        return oci.packing(self.blob.media_type) != ""


def layers_of(store: Store, image: oci.Image) -> list[Layer]:
    """The image's layers, lowest first, with their chain ids."""
    manifest = oci.manifest_of(store, image.digest)
    diffs = json.loads(store.read(manifest.config.digest))["rootfs"]["diff_ids"]
    if len(diffs) != len(manifest.layers):
        raise BuildError(f"{image.name}: its config counts {len(diffs)} layers, its manifest {len(manifest.layers)}")
    layers: list[Layer] = []
    for diff, blob in zip(diffs, manifest.layers, strict=True):
        parent = layers[-1].chain if layers else ""
        chain = "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest() if parent else diff
        layers.append(Layer(chain, parent, diff, blob))
    return layers


def snapshot_tree(path: Path, layer: Layer, spool: Spool, root: Node | None = None) -> Tree:
    """A layer's files as overlayfs wants them below a snapshot's folder: hidden names are 0/0 devices.

    root: what that folder is like where the layer does not say it.
    """
    tree = Tree(merge=False)
    if root:
        tree.know("", root)

    def take(info: tarfile.TarInfo, stream: IO[bytes]) -> Content:
        if layer.is_packed or info.issparse():
            return spool.take(stream)
        return Content(path, info.size, info.offset_data)

    with layer_stream(path, layer.blob.media_type) as stream:
        for name, node in nodes(stream, layer.chain, take):
            home, base = posixpath.split(name)
            hidden = posixpath.join(home, base.removeprefix(WHITEOUT))
            if base == OPAQUE:
                tree.mark(home, ("trusted.overlay.opaque", "y"))
            elif not base.startswith(WHITEOUT):
                tree.add(name, node)
            elif hidden not in tree:
                tree.add(hidden, Node(type=tarfile.CHRTYPE, mode=0))
    return tree


def once_unpacked(store: Store, root: str, key: str, add: Callable[[Tree], None]) -> Digest:
    """The layer of a runtime's store below `root` that holds one layer of images alone, made once for all stores that have it.

    key: of all that `add` puts there.
    """

    def made() -> dict[str, Any]:
        tree = Tree()
        tree.add(root, directory(0o700))
        add(tree)
        layer = write_layer(store, tree)
        return {"layer": layer, "blobs": [layer]}

    return Digest(store.once(key, made)["layer"])


def ahead_of(folder: str, image: oci.Image, store: Store) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The files of an image that come before the folder, by their names: a store's records lie ahead of its layers' files."""
    for layer in oci.layer_paths(store, image.digest):
        for info, content in oci.layer_entries(layer):
            if info.name.startswith(f"{folder}/"):
                break
            if content is not None:
                yield info, content


@contextmanager
def layer_stream(path: Path, media_type: str) -> Iterator[IO[bytes]]:
    """A layer's blob as an uncompressed tar stream. Raises BuildError for a compression other than gzip."""
    compression = oci.PACKINGS.get(oci.packing(media_type))
    if compression is None:
        raise BuildError(f"a layer of type {media_type} can't be unpacked", hint="layers may be plain tar or gzip")
    with path.open("rb") as raw:
        if compression:
            with gzip.open(raw) as stream:
                yield cast(IO[bytes], stream)
        else:
            yield raw
