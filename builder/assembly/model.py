"""What an assembler gives: LinuxKit's root tree as one tar in the store."""

from dataclasses import dataclass
from typing import Protocol

from builder.linuxkit.model import Document
from builder.store import Digest, Store


@dataclass(frozen=True)
class RootTar:
    """The root tree (PAX tar, later entries win over earlier ones of the same name), who assembled it, and its size in bytes."""

    digest: Digest
    assembler: str
    size: int


class Assembler(Protocol):
    """Same YAML in, same tree out. Every image reference of the document is pinned by digest and lies in the store."""

    name: str

    def key(self, document: Document) -> str:
        """Changes with all that the root tree depends on."""
        ...

    def assemble(self, document: Document, store: Store) -> RootTar: ...
