"""The format containerdisk: the disk in a container's image, as KubeVirt boots it, as an archive that registries' tools take.

`skopeo copy oci-archive:FILE docker://REGISTRY/NAME:TAG` puts it into a registry.
"""

import io
from pathlib import Path

from builder import oci
from builder.media import disk
from builder.media.model import Maker, Prepared
from builder.media.placing import placed
from builder.store import Digest, Store
from builder.tarball import TarWriter, directory, entry, writing

# KubeVirt's qemu runs as 107 and finds the disk as the one file of this folder (its user guide, "Disks and Volumes").
OWNER, FOLDER = 107, "disk"


def write(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """An archive of an OCI image layout with one image, of one layer, named by the medium's label."""
    machine = work / f"{target.name.partition('.')[0]}.qcow2"
    disk.write_qcow2(prepared, store, work, machine)
    layer = _layer(machine, store)
    machine.unlink()
    image = oci.write_image(store, prepared.label.lower(), [layer], oci.Process())
    with placed(target) as made, made.open("wb") as file, writing(file) as out:
        write_layout(out, image, store)
    store.discard(layer)


def _layer(machine: Path, store: Store) -> Digest:
    with store.writer() as blob, writing(blob) as out, machine.open("rb") as content:  # type: ignore[arg-type]  # tarfile only calls write()
        out.add(directory(FOLDER))
        info = entry(f"{FOLDER}/{machine.name}", mode=0o440, size=machine.stat().st_size, uid=OWNER, gid=OWNER)
        out.add(info, content)
    return blob.digest


def write_layout(out: TarWriter, image: oci.Image, store: Store) -> None:
    """image-spec v1.1, "OCI Image Layout"."""
    manifest = {
        "mediaType": oci.MANIFEST, "digest": image.digest, "size": store.path(image.digest).stat().st_size,
        "annotations": {"org.opencontainers.image.ref.name": image.name},
    }  # fmt: skip
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    _add(out, "oci-layout", oci.canonical({"imageLayoutVersion": "1.0.0"}))
    _add(out, "index.json", oci.canonical(index))
    for name in ("blobs", "blobs/sha256"):
        out.add(directory(name))
    for digest in sorted(oci.blobs_of(store, image.digest)):
        path = store.path(digest)
        with path.open("rb") as content:
            out.add(entry(f"blobs/sha256/{digest.removeprefix('sha256:')}", mode=0o644, size=path.stat().st_size), content)


def _add(out: TarWriter, name: str, data: bytes) -> None:
    out.add(entry(name, mode=0o644, size=len(data)), io.BytesIO(data))


MAKER = Maker(
    "containerdisk", write, suffix="containerdisk.tar", tools=disk.CONVERTING, versions=disk.MADE_BY, carried=disk.CARRIED
)  # fmt: skip
