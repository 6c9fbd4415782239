"""Images -> a containerd store in which they are unpacked already, as one more image.

What containerd 2 keeps below its root (/var/lib/containerd) lies in the image below /usr/share/kubeiso/containerd:
databases and the manifests' and configs' blobs, which a node copies (pkg/image-seed), and the layers' files, which it
links to and never changes. Each layer lies in a folder named by its chain id, so that a link on a node's disk means the same
layer with any other medium, or none. The layers' archives are left out: containerd needs them no more once they are unpacked,
as with its own setting discard_unpacked_layers.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import oci
from builder.images.compose import program_digest, write_layer
from builder.images.stores.layers import Layer, ahead_of, layers_of, once_unpacked, snapshot_tree
from builder.images.tree import Node, Spool, Tree, directory, file
from builder.progress import step
from builder.references import split
from builder.run import run
from builder.store import Digest, Store, file_digest, key_of

ROOT = "usr/share/kubeiso/containerd"
SNAPSHOTTER = "overlayfs"
LAYERS = "layers"
# The images' names by tag, one a line, for a runtime that has to be told which images came with the node.
NAMES = "images"
# Changes when the store's files lie elsewhere or mean something else, so that a node replaces what it has.
LAYOUT = 2


Names = Callable[[Sequence[oci.Image], Mapping[Digest, oci.Manifest]], dict[str, Digest]]


@dataclass(frozen=True)
class Client:
    """Who will find the images: its namespace of containerd, the labels that its images have, and the names it knows them by."""

    namespace: str
    labels: Mapping[str, str]
    names: Names


class ContainerdStore:
    """See protocol.py."""

    tool = ("image-store", "image-store")

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    def make(self, name: str, images: Sequence[oci.Image], tool: Path | None, store: Store) -> oci.Image:
        """`tool` is the program built from pkg/image-store. Needs no root, no daemon; the same input gives the same digest."""
        assert tool, "a store that names a tool is given it"
        key = self._key(name, images, file_digest(tool))

        def made() -> dict[str, Any]:
            with store.workdir("containerd-store") as work, step(f"unpacking {len(images)} images for {self.name}"):
                layers = store_layers(images, tool, store, work, key, self._client)
                image = oci.write_image(store, name, layers, oci.Process())
            return {"image": image.digest, "blobs": list(oci.blobs_of(store, image.digest))}

        return oci.Image(name=name, digest=store.once(key, made)["image"])

    def recall(self, name: str, images: Sequence[oci.Image], tool: Digest | None, store: Store) -> oci.Image:
        complete = all(image.digest for image in images)
        found = store.recall(self._key(name, images, tool)) if tool and complete else None
        return oci.Image(name=name, digest=Digest(found["image"] if found else ""))

    def changing(self, image: oci.Image, store: Store) -> Iterator[Digest]:
        """containerd's databases; by their names they come before the layers' files."""
        for info, content in ahead_of(f"{ROOT}/{LAYERS}", image, store):
            if info.name.endswith(".db"):
                yield store.put(content.read())

    def _key(self, name: str, images: Sequence[oci.Image], tool: Digest) -> str:
        """Changes with anything that the store's image depends on."""
        references = [image.reference for image in images]
        return key_of("containerd-store", LAYOUT, self.name, name, program_digest(), references, tool)


def store_layers(
    images: Sequence[oci.Image], tool: Path, store: Store, work: Path, identity: str, client: Client
) -> list[Digest]:  # fmt: skip
    """The layers that are the whole store: its records, then each layer of the images, which other stores may have, too.

    identity: what a node compares with what it has.
    """
    layers = {layer.chain: layer for image in images for layer in layers_of(store, image)}
    spool = Spool(work / "spool")
    trees = {chain: snapshot_tree(store.path(layer.blob.digest), layer, spool) for chain, layer in layers.items()}
    database = work / "root"
    document = plan(images, layers, trees, database, store, client)
    run([tool], input=json.dumps(document), timeout=None)
    whole = Tree()
    whole.add(ROOT, directory(0o700))
    for made in sorted(path for path in database.rglob("*") if path.is_file()):
        whole.add(f"{ROOT}/{made.relative_to(database).as_posix()}", file(made, 0o600))
    whole.add(f"{ROOT}/id", Node(content=spool.put(f"{identity}\n".encode())))
    whole.add(f"{ROOT}/{NAMES}", Node(content=spool.put("".join(f"{image.name}\n" for image in images).encode())))
    return [write_layer(store, whole), *(_unpacked(chain, tree, store) for chain, tree in trees.items())]


def _unpacked(chain: str, files: Tree, store: Store) -> Digest:
    key = key_of("unpacked", ROOT, LAYOUT, chain, program_digest())
    return once_unpacked(store, ROOT, key, lambda tree: tree.graft(f"{ROOT}/{folder_of(chain)}/fs", files))


def folder_of(chain: str) -> str:
    """Where a layer lies below ROOT."""
    return f"{LAYERS}/{chain.removeprefix('sha256:')}"


def plan(
    images: Sequence[oci.Image],
    layers: Mapping[str, Layer],
    trees: Mapping[str, Tree],
    root: Path,
    store: Store,
    client: Client,
) -> dict[str, Any]:
    """What pkg/image-store reads: the records and labels that the client would have made on a pull."""
    labels = dict(client.labels)
    manifests = {image.digest: oci.manifest_of(store, image.digest) for image in images}
    chains = {image.digest: [layer.chain for layer in layers_of(store, image)] for image in images}
    blobs: dict[str, dict[str, Any]] = {}
    for digest, manifest in manifests.items():
        top = {f"containerd.io/gc.ref.snapshot.{SNAPSHOTTER}": chains[digest][-1]} if chains[digest] else {}
        blobs[digest] = blob(store, digest, {"containerd.io/gc.ref.content.config": manifest.config.digest})
        blobs[manifest.config.digest] = blob(store, manifest.config.digest, top)
    return {
        "root": str(root), "namespace": client.namespace, "snapshotter": SNAPSHOTTER, "blobs": list(blobs.values()),
        "snapshots": [snapshot(layer, trees[chain]) for chain, layer in layers.items()],
        "images": [
            {
                "name": found, "mediaType": manifests[digest].media_type, "digest": digest, "size": size_of(store, digest),
                "labels": labels,
            }
            for found, digest in client.names(images, manifests).items()
        ],
    }  # fmt: skip


def blob(store: Store, digest: Digest, labels: dict[str, str]) -> dict[str, Any]:
    return {"file": str(store.path(digest)), "digest": digest, "labels": labels}


def size_of(store: Store, digest: Digest) -> int:
    return store.path(digest).stat().st_size


def snapshot(layer: Layer, tree: Tree) -> dict[str, Any]:
    """A snapshot's record, with what it takes on a disk of 4096-byte blocks."""
    sizes = [node.content.size if node.content else 0 for _, node in tree.entries()]
    return {
        "name": layer.chain, "parent": layer.parent, "labels": {"containerd.io/snapshot.ref": layer.chain},
        "size": sum(-(-size // 4096) * 4096 for size in sizes), "inodes": len(sizes) + 1,
    }  # fmt: skip


def cri_names(images: Sequence[oci.Image], manifests: Mapping[Digest, oci.Manifest]) -> dict[str, Digest]:
    """Every name under which the CRI plugin finds an image: by tag, by digest, and its id (the config's digest)."""
    names: dict[str, Digest] = {}
    for image in images:
        names[image.name] = image.digest
        names[f"{split(image.name).repository}@{image.digest}"] = image.digest
        names[manifests[image.digest].config.digest] = image.digest
    return names


def docker_names(images: Sequence[oci.Image], _: Mapping[Digest, oci.Manifest]) -> dict[str, Digest]:
    """By tag alone: Docker shows each name as an image, and finds digests and ids by itself."""
    return {image.name: image.digest for image in images}


# The CRI plugin's labels: it manages the image, and the kubelet never removes it to gain room. It could not: the files
# lie in the read-only root, and without a network the image would be gone for good.
CRI = Client("k8s.io", {"io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned"}, cri_names)
# Docker Engine with its containerd image store (github.com/moby/moby/v2, daemon/config: DefaultContainersNamespace).
DOCKER = Client("moby", {}, docker_names)
