"""The node's kernel as a file of its own, for a probe that needs nothing else of a build."""

from builder.components.debian import debs, load_lock
from builder.errors import BuildError
from builder.images.compose import Request, compose_all
from builder.images.description import load_description
from builder.oci import layer_entries, layer_paths
from builder.project import Project
from builder.store import Digest, Store


def kernel_image(project: Project, store: Store) -> Digest:
    """The bzImage of pkg/kernel in the store."""
    folder = project.pkg / "kernel"
    packages = tuple(debs("kernel", load_lock(project.lock), store))
    image = compose_all([Request("kernel", folder, load_description(folder), {}, packages)], store)["kernel"]
    for layer in layer_paths(store, image.digest):
        for info, content in layer_entries(layer):
            if info.name == "kernel" and content is not None:
                return store.put_stream(content)
    raise BuildError("the kernel image has no file /kernel")
