"""The parts of a node: where each comes from, pinned, and the files that it gave."""

from pydantic import Field

from builder.architecture import AMD64
from builder.frozen import Frozen
from builder.store import Digest

INITRD = "initrd"
"""A component that the build itself places, beside those that images name."""


class Component(Frozen):
    """A component in the store. `files` maps a file's name (kubelet, containerd, ...) to its blob; all are executables."""

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


class Lock(Frozen):
    """components.lock: every pin that the folders of pkg/ themselves do not hold (Go modules have go.sum)."""

    suite: str = "trixie"
    platform: str = AMD64.name
    packages: dict[str, DebianPackage] = {}
    sets: dict[str, tuple[str, ...]] = Field({}, description="image -> its packages with all that they depend on, sorted")
