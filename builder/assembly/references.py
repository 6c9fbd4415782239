"""The images of a document, in the store."""

from collections.abc import Iterable

from builder.errors import BuildError
from builder.oci import blobs_of, image_of
from builder.references import digest_of
from builder.store import Digest, Store


def image_named(store: Store, reference: str) -> Digest:
    """The manifest of the image that a reference names, which may be an index's. It has to be in the store."""
    return image_of(store, digest_of(reference))


def demand(store: Store, references: Iterable[str]) -> None:
    """Raises BuildError naming every image of which something is not in the store."""
    missing = tuple(reference for reference in references if not is_whole(store, reference))
    if missing:
        raise BuildError("images of the LinuxKit YAML are not in the store", details=missing, hint="build the images first")


def is_whole(store: Store, reference: str) -> bool:
    """Whether all of the image is in the store."""
    if not store.has(digest_of(reference)):
        return False
    image = image_named(store, reference)
    return store.has(image) and store.has(*blobs_of(store, image))
