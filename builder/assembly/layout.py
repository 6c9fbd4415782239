"""Images of the store in an OCI image layout (image-spec v1.1), as LinuxKit's cache and its `oci` volumes hold them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from builder import tarball
from builder.assembly.gojson import indented
from builder.assembly.pax import Entry, Span
from builder.assembly.references import image_named
from builder.errors import InputError
from builder.oci import MANIFEST, blobs_of, canonical, manifest_of
from builder.references import expand
from builder.store import Digest, Store

INDEX = "application/vnd.oci.image.index.v1+json"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
# The bytes of the file `oci-layout` in LinuxKit's volumes (cache/imagesource.go), tabs included.
LAYOUT = b'{\n\t\t"imageLayoutVersion": "1.0.0"\n\t}'


def image_index(store: Store, manifest: Digest) -> Digest:
    """An image index of that one manifest with its platform, put into the store."""
    platform = platform_of(store, manifest)
    descriptor = {"mediaType": MANIFEST, "digest": manifest, "size": store.path(manifest).stat().st_size, "platform": platform}
    return store.put(canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}))


def platform_of(store: Store, manifest: Digest) -> dict[str, str]:
    config = json.loads(store.read(manifest_of(store, manifest).config.digest))
    return {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}


def named_index(store: Store, reference: str) -> dict[str, Any]:
    """The descriptor under which an index.json names the image; keys in the order of go-containerregistry's Descriptor."""
    index = image_index(store, image_named(store, reference))
    return {
        "mediaType": INDEX, "size": store.path(index).stat().st_size, "digest": index,
        "annotations": {REFERENCE_NAME: expand(reference)},
    }  # fmt: skip


def index_json(descriptors: Iterable[dict[str, Any]]) -> bytes:
    return indented({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}, indent=3)


def write_layout(store: Store, directory: Path, references: Iterable[str]) -> None:
    """Lays the images out in a directory; the blobs are links into the store, so nothing is copied."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors = [named_index(store, reference) for reference in references]
    wanted = {digest for reference in references for digest in blobs_of(store, image_named(store, reference))}
    for digest in wanted | {Digest(descriptor["digest"]) for descriptor in descriptors}:
        path = store.path(digest)
        (blobs / path.name).symlink_to(path)
    (directory / "oci-layout").write_bytes(LAYOUT)
    (directory / "index.json").write_bytes(index_json(descriptors))


def layout_entries(store: Store, reference: str, platforms: Iterable[str]) -> Iterator[Entry]:
    """The layout of one image as archive entries with time zero, in the order in which LinuxKit writes them."""
    image = image_named(store, reference)
    _check_platforms(store, reference, list(platforms))
    descriptor = named_index(store, reference)
    yield _file("oci-layout", LAYOUT)
    for name in ("blobs/", "blobs/sha256/"):
        info = tarball.directory(name)
        info.mtime = 0
        yield info, None
    _, config, *layers = blobs_of(store, image)
    for digest in (config, *layers, image, Digest(descriptor["digest"])):
        yield from _blob(store, digest)
    yield _file("index.json", index_json([descriptor]))


def _check_platforms(store: Store, reference: str, platforms: list[str]) -> None:
    has = platform_of(store, image_named(store, reference))
    name = f"{has.get('os')}/{has.get('architecture')}"
    if platforms and name not in ["/".join(platform.split("/")[:2]) for platform in platforms]:
        raise InputError(f"the image {reference} is for {name}, not for {', '.join(platforms)}")


def _file(name: str, content: bytes) -> Entry:
    info = tarball.entry(name, mode=0o644, size=len(content))
    info.mtime = 0
    return info, content


def _blob(store: Store, digest: Digest) -> Iterator[Entry]:
    path = store.path(digest)
    size = path.stat().st_size
    info = tarball.entry(f"blobs/sha256/{path.name}", mode=0o644, size=size)
    info.mtime = 0
    with path.open("rb") as file:
        yield info, Span(file, 0, size)
