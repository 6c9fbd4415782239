"""Image references: how LinuxKit completes them, and the digest that pins them."""

from collections.abc import Iterable

from builder.errors import BuildError, InputError
from builder.oci import blobs_of
from builder.store import Digest, Store


def expand(reference: str) -> str:
    """The full form: `kubeiso/x@sha256:...` becomes `docker.io/kubeiso/x@sha256:...` (LinuxKit's util/reference.go)."""
    first, *rest = reference.split("/")
    if not rest:
        return f"docker.io/library/{reference}"
    is_host = "." in first or ":" in first or first == "localhost"
    return reference if len(rest) > 1 or is_host else f"docker.io/{reference}"


def digest_of(reference: str) -> Digest:
    """The digest of the manifest that the reference is pinned to; raises InputError where it is not."""
    _, pinned, digest = reference.rpartition("@")
    if not pinned or not digest.startswith("sha256:"):
        raise InputError(f"the image {reference} is not pinned by digest", hint="write it as NAME@sha256:DIGEST")
    return Digest(digest)


def demand(store: Store, references: Iterable[str]) -> None:
    """Raises BuildError naming every image of which something is not in the store."""
    missing = tuple(reference for reference in references if not _is_whole(store, digest_of(reference)))
    if missing:
        raise BuildError("images of the LinuxKit YAML are not in the store", details=missing, hint="build the images first")


def _is_whole(store: Store, digest: Digest) -> bool:
    return store.has(digest) and store.has(*blobs_of(store, digest))
