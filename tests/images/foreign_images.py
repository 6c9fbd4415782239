"""Images as others hand them on: OCI layouts, their archives, and Docker's."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry_served import digest, image

KIND = "application/vnd.oci.image.manifest.v1+json"


def layout(folder: Path, *named: tuple[str, str | bytes], machine: str = "amd64", packing: str = "+gzip") -> Path:
    """An OCI layout with an image for each (name, word)."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    entries = []
    for name, word in named:
        for path, (kind, body) in image("app", "1", word).items():
            if kind == KIND and path.endswith("/1"):
                text = changed(body, machine, packing, blobs, image("app", "1", word))
                entries.append({
                    "mediaType": KIND, "digest": put(blobs, text), "size": len(text),
                    "annotations": {"org.opencontainers.image.ref.name": name},
                })  # fmt: skip
            elif kind != KIND:
                put(blobs, body)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return folder


def changed(manifest: bytes, machine: str, packing: str, blobs: Path, parts: Mapping[str, tuple[str, bytes]]) -> bytes:
    """The manifest of an image for another machine, or with layers that say to be packed otherwise."""
    found: Any = json.loads(manifest)
    config = json.loads(next(body for path, (_, body) in parts.items() if path.endswith(found["config"]["digest"])))
    text = json.dumps({**config, "architecture": machine}).encode()
    found["config"] |= {"digest": put(blobs, text), "size": len(text)}
    for layer in found["layers"]:
        layer["mediaType"] = layer["mediaType"].replace("+gzip", packing)
    return json.dumps(found).encode()


def put(blobs: Path, body: bytes) -> str:
    name = digest(body)
    (blobs / name.partition(":")[2]).write_bytes(body)
    return name


def archived(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return target


def docker_saved(target: Path, *named: tuple[str, str | bytes]) -> Path:
    """As `docker save` wrote it before its archives were OCI layouts, too: plain layers, and a list of images."""
    files: dict[str, bytes] = {}
    listed = []
    for name, word in named:
        parts = [body for kind, body in image("app", "1", word).values()]
        layer = next(gzip.decompress(body) for body in parts if body.startswith(b"\x1f\x8b"))
        config = next(body for body in parts if b'"rootfs"' in body)
        home = digest(config).partition(":")[2]
        files |= {f"{home}.json": config, f"{home}/layer.tar": layer}
        listed.append({"Config": f"{home}.json", "RepoTags": [name], "Layers": [f"{home}/layer.tar"]})
    files["manifest.json"] = json.dumps(listed).encode()
    with tarfile.open(target, "w") as archive:
        for path, body in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return target
