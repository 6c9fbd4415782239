"""Files that no LinuxKit YAML can hold as an image of LinuxKit's init section."""

from collections.abc import Sequence
from typing import Any

from builder import oci
from builder.images.compose import program_digest
from builder.images.model import PlacedFile
from builder.images.tree import file, write_node
from builder.store import Digest, Store, file_digest, key_of
from builder.tarball import writing


def files_image(name: str, files: Sequence[PlacedFile], store: Store) -> oci.Image:
    """Makes the image of these files alone: the folders above them are the node's, and stay as they are."""

    def make() -> dict[str, Any]:
        with store.writer() as blob, writing(blob) as out:  # type: ignore[arg-type]  # tarfile only calls write()
            for placed in sorted(files, key=lambda each: each.path):
                write_node(out, placed.path, file(placed.source, int(placed.mode, 8)))
        image = oci.write_image(store, name, [blob.digest], oci.Process())
        return {"image": image.digest, "blobs": list(oci.blobs_of(store, image.digest))}

    return oci.Image(name=name, digest=store.once(_key(name, files), make)["image"])


def recall_files(name: str, files: Sequence[PlacedFile], store: Store) -> oci.Image:
    """The image as an earlier run made it; its digest is "" where it has yet to be made."""
    found = store.recall(_key(name, files))
    return oci.Image(name=name, digest=Digest(found["image"] if found else ""))


def _key(name: str, files: Sequence[PlacedFile]) -> str:
    return key_of("files", name, program_digest(), [(each.path, file_digest(each.source), each.mode) for each in files])
