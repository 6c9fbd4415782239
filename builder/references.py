"""Image references: their parts, how LinuxKit completes them, and the digest that pins them."""

from dataclasses import dataclass

from builder.errors import InputError
from builder.store import Digest


@dataclass(frozen=True)
class Reference:
    """REPOSITORY[:TAG][@DIGEST]; a part that is not there is ""."""

    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The full name that the image goes by, without the digest."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository


def split(text: str) -> Reference:
    """A colon before the last slash belongs to the host's port."""
    name, _, digest = text.partition("@")
    home, slash, base = name.rpartition("/")
    last, _, tag = base.partition(":")
    return Reference(f"{home}{slash}{last}", tag, digest)


def expand(reference: str) -> str:
    """The full form: `kubeiso/x@sha256:...` becomes `docker.io/kubeiso/x@sha256:...` (LinuxKit's util/reference.go)."""
    first, *rest = reference.split("/")
    if not rest:
        return f"docker.io/library/{reference}"
    is_host = "." in first or ":" in first or first == "localhost"
    return reference if len(rest) > 1 or is_host else f"docker.io/{reference}"


def digest_of(reference: str) -> Digest:
    """The digest of the manifest that the reference is pinned to; raises InputError where it is not."""
    digest = split(reference).digest
    if not digest.startswith("sha256:"):
        raise InputError(f"the image {reference} is not pinned by digest", hint="write it as NAME@sha256:DIGEST")
    return Digest(digest)
