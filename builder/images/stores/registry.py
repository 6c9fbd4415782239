"""The image stores that can be made, by the word that a runtime's description has for each."""

from builder.errors import InputError
from builder.images.stores.containerd import CRI, DOCKER, ContainerdStore
from builder.images.stores.containers_storage import ContainersStorage
from builder.images.stores.protocol import ImageStore
from builder.reading.words import one_of

STORES: tuple[ImageStore, ...] = (
    ContainerdStore("containerd", CRI),
    ContainerdStore("docker", DOCKER),
    ContainersStorage(),
)


def names() -> tuple[str, ...]:
    return tuple(sorted(store.name for store in STORES))


def image_store(name: str) -> ImageStore:
    """Raises InputError that names the known ones for a store that nobody makes."""
    for store in STORES:
        if store.name == name:
            return store
    raise InputError(f"nobody makes the image store {name}", hint=one_of(name, names()))
