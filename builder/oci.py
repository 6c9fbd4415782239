"""OCI images in the store: manifest, config and layers as blobs (image-spec v1.1), layers as plain tar."""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field

from builder.architecture import AMD64, Platform
from builder.errors import BuildError
from builder.store import Digest, Store
from builder.tarball import entries

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
# How layers are packed, by what their types say after ".tar", as OCI and as Docker write them (...image.rootfs.diff.tar.gzip).
PACKINGS = {"": "", "+gzip": "gzip", ".gzip": "gzip"}
# LinuxKit reads a container's settings from this label (moby/build, pkglib/build.go).
LINUXKIT_LABEL = "org.mobyproject.config"


class Immutable(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Descriptor(Immutable):
    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: int


class Manifest(Immutable):
    schema_version: int = Field(2, alias="schemaVersion")
    media_type: str = Field(MANIFEST, alias="mediaType")
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Process(Immutable):
    """The `config` object of an image config: what a container made from the image runs."""

    entrypoint: tuple[str, ...] = Field((), alias="Entrypoint")
    cmd: tuple[str, ...] = Field((), alias="Cmd")
    env: tuple[str, ...] = Field((), alias="Env")
    working_dir: str = Field("", alias="WorkingDir")
    user: str = Field("", alias="User")
    labels: dict[str, str] = Field({}, alias="Labels")


class Image(Immutable):
    """An image in the store: the full name that it goes by, and the digest of its manifest ("" while it is not built)."""

    name: str
    digest: Digest

    @property
    def reference(self) -> str:
        """The name pinned by digest, as a LinuxKit YAML or a pod takes it."""
        return f"{self.name}@{self.digest}" if self.digest else self.name


def packing(media_type: str) -> str:
    """What a layer's type says of its compression: a key of PACKINGS, or one that can't be unpacked."""
    _, mark, found = media_type.rpartition(".tar")
    return found if mark else media_type


def tag_of(version: str) -> str:
    """The version as a tag, which has no "+" (OCI distribution-spec): written as kubeadm does it, KubernetesVersionToImageTag."""
    return re.sub(r"[^-\w.]", "_", version, flags=re.ASCII)


def canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write_image(store: Store, name: str, layers: Sequence[Digest], process: Process, *, platform: Platform = AMD64) -> Image:
    """Writes config and manifest for layers that are in the store. The same input gives the same digest."""
    config = canonical({
        "architecture": platform.oci, "os": "linux",
        "config": process.model_dump(by_alias=True, exclude_defaults=True),
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    })  # fmt: skip
    descriptors = tuple(Descriptor(media_type=LAYER, digest=layer, size=store.path(layer).stat().st_size) for layer in layers)
    manifest = Manifest(config=Descriptor(media_type=CONFIG, digest=store.put(config), size=len(config)), layers=descriptors)
    return Image(name=name, digest=store.put(canonical(manifest.model_dump(by_alias=True))))


def image_of(store: Store, digest: Digest, platform: Platform = AMD64) -> Digest:
    """The manifest that a digest names: itself, or the platform's of an image index. Raises BuildError where that has none."""
    document = json.loads(store.read(digest))
    if "manifests" not in document:
        return digest
    for each in document["manifests"]:
        machine = each.get("platform") or {}
        if (machine.get("os"), machine.get("architecture")) == ("linux", platform.oci):
            return Digest(each["digest"])
    raise BuildError(f"the image index {digest} has no image for linux/{platform.oci}")


def manifest_of(store: Store, digest: Digest) -> Manifest:
    return Manifest.model_validate_json(store.read(digest))


def process_of(store: Store, digest: Digest) -> Process:
    """What the image runs, and its labels."""
    config = json.loads(store.read(manifest_of(store, digest).config.digest))
    return Process.model_validate(config.get("config") or {})


def blobs_of(store: Store, digest: Digest) -> tuple[Digest, ...]:
    """Every blob of the image: manifest, config, layers."""
    manifest = manifest_of(store, digest)
    return (digest, manifest.config.digest, *(layer.digest for layer in manifest.layers))


def layer_paths(store: Store, digest: Digest) -> tuple[Path, ...]:
    """The image's layers, lowest first, as tar files."""
    return tuple(store.path(layer.digest) for layer in manifest_of(store, digest).layers)


def layer_entries(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with path.open("rb") as file:
        yield from entries(file)
