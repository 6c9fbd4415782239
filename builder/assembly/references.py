"""The images of a document are in the store."""

from collections.abc import Iterable

from builder.errors import BuildError
from builder.oci import blobs_of
from builder.references import digest_of
from builder.store import Digest, Store


def demand(store: Store, references: Iterable[str]) -> None:
    """Raises BuildError naming every image of which something is not in the store."""
    missing = tuple(reference for reference in references if not _is_whole(store, digest_of(reference)))
    if missing:
        raise BuildError("images of the LinuxKit YAML are not in the store", details=missing, hint="build the images first")


def _is_whole(store: Store, digest: Digest) -> bool:
    return store.has(digest) and store.has(*blobs_of(store, digest))
