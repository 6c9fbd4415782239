"""What every image store is: one protocol, so that another runtime's store is another file and a line in the registry."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from builder.oci import Image
from builder.store import Digest, Store


class ImageStore(Protocol):
    """Makes the store of a container runtime at build time, so that no node has to unpack an image."""

    @property
    def name(self) -> str:
        """The word for it in `image_store` of a runtime's description."""

    @property
    def tool(self) -> tuple[str, str] | None:
        """The component and the file of it that writes the store's databases on the build machine; None where none is needed."""

    def make(self, name: str, images: Sequence[Image], tool: Path | None, store: Store) -> Image:
        """The image `name` that holds the given images unpacked. Raises BuildError for an image that can't be unpacked."""

    def recall(self, name: str, images: Sequence[Image], tool: Digest | None, store: Store) -> Image:
        """The same as an earlier run made it; its digest is "" where it has yet to be made, and where there is no tool yet."""

    def changing(self, image: Image, store: Store) -> Iterator[Digest]:
        """Those of its files, as blobs too, that change with the name or the digest of any image in it."""
