"""pkg/NAME/ with its components and packages -> an OCI image: one layer, and one for each program that images share."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.components.model import Component
from builder.images.kernel import kernel_tree
from builder.images.layer import (
    add_certificates,
    add_components,
    add_folder,
    add_texts_and_links,
    folder_files,
    folder_mode,
    set_modes,
    shared_programs,
)
from builder.images.model import ImageDescription
from builder.images.packages import Filter, add_package
from builder.images.tree import Spool, Tree, file
from builder.oci import LINUXKIT_LABEL, Image, Process, blobs_of, tag_of, write_image
from builder.progress import step, warn
from builder.store import Digest, Store, file_digest, key_of
from builder.tarball import writing

WORKERS = 2


@dataclass(frozen=True)
class Request:
    """All that `compose` takes for one image."""

    name: str
    folder: Path
    description: ImageDescription
    components: Mapping[str, Component]
    debs: tuple[Digest, ...]


def compose_all(requests: Iterable[Request], store: Store) -> dict[str, Image]:
    """Composes the images, two at a time; the result goes by the folders' names. Raises the first error."""
    requests = list(requests)
    with step("composing images", total=len(requests), unit="images") as work, ThreadPoolExecutor(WORKERS) as pool:

        def one(request: Request) -> Image:
            image = compose(
                request.name, request.folder, request.description, request.components, request.debs, store
            )  # fmt: skip
            work.advance(detail=request.name)
            return image

        return dict(zip((request.name for request in requests), pool.map(one, requests), strict=True))


def compose(
    name: str,
    folder: Path,
    description: ImageDescription,
    components: Mapping[str, Component],
    debs: Sequence[Digest],
    store: Store,
) -> Image:
    """Makes the image of a folder of pkg/, or takes it from the store when the same was made before.

    `debs` are the packages in the store, later over earlier. Needs dpkg-deb (and depmod for a kernel), no root, no daemon.
    Raises InputError for a description that asks for what is not there, BuildError for a package that can't be read.
    """
    full_name = image_name(description, components)
    key = image_key(folder, description, components, debs)

    def make() -> dict[str, Any]:
        with store.workdir(f"image-{name}") as work:
            spool = Spool(work / "spool")
            tree, unused = layer_tree(folder, description, components, [store.path(deb) for deb in debs], store, spool)
            for glob in unused:
                warn(f"pkg/{name}: no file of its packages matches {glob}")
            if description.kernel:
                tree = kernel_tree(tree, description.kernel, work, own=not description.like)
            below = [program_layer(store, *each) for each in shared_programs(description, components).items()]
            image = write_image(store, full_name, [*below, write_layer(store, tree)], process_of(description))
        return {"image": image.digest, "blobs": list(blobs_of(store, image.digest))}

    return Image(name=full_name, digest=store.once(key, make)["image"])


def recall(request: Request, store: Store) -> Image:
    """The image as an earlier run composed it from the same inputs; its digest is "" where it has yet to be composed."""
    wanted, given = request.description.components, request.components
    complete = all(file in given[name].files for name, files in wanted.items() for file in files)
    found = store.recall(image_key(request.folder, request.description, given, request.debs)) if complete else None
    return Image(name=image_name(request.description, given), digest=Digest(found["image"] if found else ""))


def image_key(folder: Path, description: ImageDescription, components: Mapping[str, Component], debs: Sequence[Digest]) -> str:
    """Changes with anything that the image depends on."""
    used = {each: components[each].files for each in description.components if each in components}
    full_name = image_name(description, components)
    return key_of("image", program_digest(), full_name, description.model_dump(), used, list(debs), folder_digest(folder))


def layer_tree(
    folder: Path,
    description: ImageDescription,
    components: Mapping[str, Component],
    debs: Sequence[Path],
    store: Store,
    spool: Spool,
) -> tuple[Tree, list[str]]:
    """The files of the image, and the globs of the description that met nothing."""
    tree = Tree()
    chosen = Filter(description.keep, description.drop)
    for deb in debs:
        add_package(tree, deb, chosen, spool)
    add_certificates(tree, spool)
    add_components(tree, description, components, store)
    add_folder(tree, folder / "files")
    add_texts_and_links(tree, description, spool)
    set_modes(tree, description)
    tree.link_top()
    return tree, chosen.unused


def program_layer(store: Store, place: str, program: Digest) -> Digest:
    """A layer that is a program alone; images that have it in common have this very layer."""

    def made() -> dict[str, Digest]:
        tree = Tree()
        tree.add(place, file(store.path(program), 0o755))
        return {"layer": write_layer(store, tree)}

    return Digest(store.once(key_of("program layer", program_digest(), place, program), made)["layer"])


def write_layer(store: Store, tree: Tree) -> Digest:
    with store.writer() as blob, writing(blob) as out:  # type: ignore[arg-type]  # tarfile only calls write()
        tree.write(out)
    return blob.digest


def image_name(description: ImageDescription, components: Mapping[str, Component]) -> str:
    """The full name; {version} becomes the version of the first component of the description, "1" without any."""
    first = next(iter(description.components), "")
    version = components[first].version if first in components else "1"
    return description.image.replace("{version}", tag_of(version.removeprefix("v")))


def process_of(description: ImageDescription) -> Process:
    settings = description.linuxkit.plain()
    linuxkit = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return Process(
        entrypoint=description.entrypoint, cmd=description.cmd, env=description.env, user=description.user,
        labels={LINUXKIT_LABEL: linuxkit} if settings else {},
    )  # fmt: skip


def folder_digest(folder: Path) -> list[tuple[str, int, str]]:
    """What decides the folder's `files/`: names, modes, and digests or link targets."""
    files = folder / "files"
    return [
        (
            path.relative_to(files).as_posix(), folder_mode(path),
            f"-> {path.readlink()}" if path.is_symlink() else file_digest(path),
        )
        for path in folder_files(files)
    ]  # fmt: skip


def program_digest() -> str:
    """A hash of this room's own code, so that an image is made anew after the code changed."""
    here = Path(__file__).parent
    files = [*sorted(here.rglob("*.py")), here.parent / "tarball.py", here.parent / "oci.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
