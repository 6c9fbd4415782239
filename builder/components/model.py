"""The parts of a node: where each comes from, pinned, and the files that it gave."""

from typing import Annotated

from pydantic import Field

from builder.architecture import AMD64
from builder.frozen import Frozen
from builder.reading.shapes import Shape
from builder.store import Digest

INITRD = "initrd"
"""A component that the build itself places, beside those that images name."""


class Component(Frozen):
    """A component in the store. `files` maps a file's name (kubelet, containerd, ...) to its blob."""

    name: str
    version: str
    source: str = Field(description='which source gave it: "golang", "debian", "local", ...')
    files: dict[str, Digest]
    own: dict[str, str] = Field({}, description="of files from a developer's own build: the version that each tells")


class DebianPackage(Frozen):
    """One pinned .deb. `path` is relative to the archive's root (the Filename field of the Packages index)."""

    name: str
    version: str
    path: str
    size: int
    sha256: Digest
    archive: str = Field("main", description='which archive has it: "main" or "security"')


class ReleasePin(Frozen):
    """What a file of an upstream's release must be: its digest, and its size in bytes where that is known."""

    digest: Annotated[str, Shape(r"^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$", "sha256: or sha512: and the hash")]
    size: int | None = None


class Lock(Frozen):
    """components.lock: every pin that the folders of pkg/ themselves do not hold (Go modules have go.sum)."""

    suite: str = "trixie"
    platform: str = AMD64.name
    packages: dict[str, DebianPackage] = {}
    sets: dict[str, tuple[str, ...]] = Field({}, description="image -> its packages with all that they depend on, sorted")
    releases: dict[str, dict[str, ReleasePin]] = Field({}, description="component -> address of a file of its release -> its pin")
