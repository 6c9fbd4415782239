"""Images -> a read-only additional image store of containers/storage (CRI-O, Podman) in which they are unpacked already.

What the overlay driver of github.com/containers/storage keeps below its root lies in the image below
/usr/share/kubeiso/containers-storage. storage.conf names that folder in `additionalimagestores`, so a node reads layers and
records where they are, and copies nothing. Formulas and keys are those of go.podman.io/storage v1.61 (images.go, layers.go,
store.go, drivers/overlay/overlay.go):

  overlay/ID/{diff,link,lower}     a layer's files; its short name; the short names of the layers below it
  overlay/l/SHORT                  a link to ../ID/diff, since mount(2) takes one page of options
  overlay-layers/layers.json       the layers' records
  overlay-images/images.json       the images' records; overlay-images/ID/ has each one's manifest and config
  overlay-*/{images,layers}.lock   must be there: without them a store on a read-only file system is left out, without a word
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder import oci
from builder.images.compose import program_digest, write_layer
from builder.images.stores.layers import Layer, ahead_of, layer_stream, layers_of, once_unpacked, snapshot_tree
from builder.images.tree import Node, Spool, Tree, directory, symlink
from builder.progress import step
from builder.store import CHUNK, Digest, Store, key_of
from builder.tarball import EPOCH

ROOT = "usr/share/kubeiso/containers-storage"
LAYERS, LAYER_RECORDS, IMAGE_RECORDS = "overlay", "overlay-layers", "overlay-images"
SHORT = 26  # letters of a short name (overlay.go, idLength)
GZIP = 2  # pkg/archive's number for it
# The root of a layer that does not hold its own (overlay.go, defaultPerms).
LAYER_ROOT = directory(0o555)


class ContainersStorage:
    """See protocol.py."""

    name = "containers-storage"
    tool = None

    def make(self, name: str, images: Sequence[oci.Image], tool: Path | None, store: Store) -> oci.Image:  # noqa: ARG002
        """Needs no root and no tool; the same input gives the same digest."""

        def made() -> dict[str, Any]:
            with store.workdir("containers-storage") as work, step(f"unpacking {len(images)} images for containers/storage"):
                image = oci.write_image(store, name, store_layers(images, store, work), oci.Process())
            return {"image": image.digest, "blobs": list(oci.blobs_of(store, image.digest))}

        return oci.Image(name=name, digest=store.once(store_key(name, images), made)["image"])

    def recall(
        self,
        name: str,
        images: Sequence[oci.Image],
        tool: Digest | None,  # noqa: ARG002
        store: Store,
    ) -> oci.Image:
        found = store.recall(store_key(name, images)) if all(image.digest for image in images) else None
        return oci.Image(name=name, digest=Digest(found["image"] if found else ""))

    def changing(self, image: oci.Image, store: Store) -> Iterator[Digest]:
        """The records; by their names they come before the layers' files."""
        for info, content in ahead_of(f"{ROOT}/{LAYERS}", image, store):
            if info.size:
                yield store.put(content.read())


@dataclass(frozen=True)
class Placed:
    """A layer in the store: its id and those of all below it, the nearest first."""

    layer: Layer
    id: str
    below: tuple[str, ...]


def store_key(name: str, images: Sequence[oci.Image]) -> str:
    """Changes with anything that the store's image depends on."""
    return key_of("containers-storage", name, program_digest(), [image.reference for image in images])


def store_layers(images: Sequence[oci.Image], store: Store, work: Path) -> list[Digest]:
    """The layers that are the whole store: its records, then each layer of the images, which other stores may have, too."""
    spool, whole = Spool(work / "spool"), Tree()
    stacks = {image.digest: placed(layers_of(store, image)) for image in images}
    layers = {each.id: each for stack in stacks.values() for each in stack}
    created = creation(images, store)
    whole.add(ROOT, directory(0o700))
    layer_records = [layer_record(each, created, store) for _, each in sorted(layers.items())]
    records = image_records(images, stacks, store)
    for folder, kind, found in ((LAYER_RECORDS, "layers", layer_records), (IMAGE_RECORDS, "images", records)):
        whole.add(f"{ROOT}/{folder}/{kind}.json", _file(spool, json.dumps(found, sort_keys=True).encode()))
        whole.add(f"{ROOT}/{folder}/{kind}.lock", _file(spool, b""))
    for image in images:
        for key, digest in big_data(store, image).items():
            place = f"{ROOT}/{IMAGE_RECORDS}/{image_id(store, image)}/{data_file(key)}"
            whole.add(place, _file(spool, store.read(digest)))
    return [write_layer(store, whole), *(_unpacked(each, spool, store) for each in layers.values())]


def _unpacked(each: Placed, spool: Spool, store: Store) -> Digest:
    def add(tree: Tree) -> None:
        _add_layer(tree, each, snapshot_tree(store.path(each.layer.blob.digest), each.layer, spool, LAYER_ROOT), spool)

    return once_unpacked(store, ROOT, key_of("unpacked", ROOT, each.id, each.below, program_digest()), add)


def _file(spool: Spool, data: bytes) -> Node:
    return Node(content=spool.put(data), mode=0o600)


def _add_layer(whole: Tree, each: Placed, files: Tree, spool: Spool) -> None:
    home = f"{ROOT}/{LAYERS}/{each.id}"
    whole.graft(f"{home}/diff", files)
    whole.add(f"{home}/link", _file(spool, short(each.id).encode()))
    if each.below:
        whole.add(f"{home}/lower", _file(spool, ":".join(f"l/{short(below)}" for below in each.below).encode()))
    whole.add(f"{ROOT}/{LAYERS}/l/{short(each.id)}", symlink(f"../{each.id}/diff"))


def placed(layers: Sequence[Layer]) -> list[Placed]:
    """The layers with their ids (image/v5, storage_dest.go, computeID): the lowest one's is its diff id."""
    found: list[Placed] = []
    for layer in layers:
        own = layer.diff.removeprefix("sha256:")
        top = found[-1] if found else None
        name = hashlib.sha256(f"{top.id}+{own}".encode()).hexdigest() if top else own
        found.append(Placed(layer, name, (top.id, *top.below) if top else ()))
    return found


def short(layer: str) -> str:
    """Any name of so many letters and digits does; one of the layer's own id is the same each time."""
    return base64.b32encode(bytes.fromhex(layer)).decode()[:SHORT]


def layer_record(each: Placed, created: Mapping[str, str], store: Store) -> dict[str, Any]:
    blob = each.layer.blob
    packed = {"compression": GZIP} if each.layer.is_packed else {}
    return {
        "id": each.id, "created": created[each.layer.chain],
        "compressed-diff-digest": blob.digest, "compressed-size": blob.size,
        "diff-digest": each.layer.diff, "diff-size": unpacked_size(each.layer, store),
        **({"parent": each.below[0]} if each.below else {}), **packed,
    }  # fmt: skip


def unpacked_size(layer: Layer, store: Store) -> int:
    """Bytes of the layer's tar."""
    if not layer.is_packed:
        return layer.blob.size
    with layer_stream(store.path(layer.blob.digest), layer.blob.media_type) as stream:
        return sum(len(data) for data in iter(lambda: stream.read(CHUNK), b""))


def image_records(images: Sequence[oci.Image], stacks: Mapping[Digest, Sequence[Placed]], store: Store) -> list[dict[str, Any]]:
    """One record for each image id; what goes by several names has all of them."""
    found: dict[str, dict[str, Any]] = {}
    for image in images:
        data, name = big_data(store, image), image_id(store, image)
        top = {"layer": stacks[image.digest][-1].id} if stacks[image.digest] else {}
        record = found.setdefault(name, {
            "id": name, "digest": image.digest, "names": [], **top, "metadata": "{}", "created": created_of(store, image),
            "big-data-names": sorted(data), "big-data-digests": data,
            "big-data-sizes": {key: store.path(digest).stat().st_size for key, digest in data.items()},
        })  # fmt: skip
        record["names"] = sorted({*record["names"], image.name})
    return [record for _, record in sorted(found.items())]


def image_id(store: Store, image: oci.Image) -> str:
    return oci.manifest_of(store, image.digest).config.digest.removeprefix("sha256:")


def big_data(store: Store, image: oci.Image) -> dict[str, Digest]:
    """The image's documents by the keys under which containers/image looks for them."""
    config = oci.manifest_of(store, image.digest).config.digest
    return {config: config, "manifest": image.digest, f"manifest-{image.digest}": image.digest}


def data_file(key: str) -> str:
    """The name of a document's file (store.go, makeBigDataBaseName)."""
    plain = all(letter == "." or letter.isdigit() or "a" <= letter <= "z" for letter in key)
    return key if plain else "=" + base64.b64encode(key.encode()).decode()


def creation(images: Sequence[oci.Image], store: Store) -> dict[str, str]:
    """When each layer was made, as far as is known: when the first image that has it was."""
    found: dict[str, str] = {}
    for image in images:
        for layer in layers_of(store, image):
            found.setdefault(layer.chain, created_of(store, image))
    return found


def created_of(store: Store, image: oci.Image) -> str:
    """The time in the image's config; that of all our generated files where it has none."""
    config = json.loads(store.read(oci.manifest_of(store, image.digest).config.digest))
    return config.get("created") or datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
