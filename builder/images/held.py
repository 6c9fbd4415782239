"""Images of others, for pods and the node itself: from an archive, an OCI layout or a registry into the store, as they are.

skopeo knows the forms (containers-transports(5)); its own form `dir` holds an image's blobs byte for byte.
"""

import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from builder import oci
from builder.architecture import AMD64, Platform
from builder.errors import BuildError, InputError
from builder.images.model import HeldImage
from builder.progress import step
from builder.reading.words import one_of
from builder.references import digest_of, expand, split
from builder.run import run
from builder.store import Digest, Store, file_digest, key_of

REF_NAME = "org.opencontainers.image.ref.name"
# What Docker and containerd write besides: the whole name, where the other has the tag alone.
FULL_NAME = "io.containerd.image.name"
OCI_INDEX, DOCKER_LIST = "index.json", "manifest.json"
DOCKER_GZIP, GZIP_MAGIC = "application/vnd.docker.image.rootfs.diff.tar.gzip", b"\x1f\x8b"
USAGE = "save it by `docker save -o FILE NAME`, or `skopeo copy docker://NAME oci-archive:FILE`"
PATIENCE = 3600.0  # seconds for one image


def bring(held: HeldImage, store: Store, platform: Platform = AMD64, *, offline: bool = False) -> oci.Image:
    """The image in the store, under the name that pods know.

    Raises InputError for a source that has no such image, BuildError for a registry that does not give it or with offline.
    """

    def make() -> dict[str, Any]:
        if held.source is None and offline:
            raise BuildError(
                f"{held.name} is not in the cache", why="nothing is fetched with --offline", hint="build once without"
            )
        with store.workdir("image") as work, step(f"fetch {held.name}" if held.source is None else f"read {held.source.name}"):
            found = _taken(_copied(held, work, platform), held, store, platform)
            index = _indexes(held, found, store)
        return {"image": found, "blobs": [*index, *oci.blobs_of(store, found)]}

    return oci.Image(name=split(held.name).name, digest=store.once(_key(held, platform), make)["image"])


def recall(held: HeldImage, store: Store, platform: Platform = AMD64) -> oci.Image:
    """The image as an earlier run brought it; its digest is "" where it has yet to be brought."""
    found = store.recall(_key(held, platform))
    return oci.Image(name=split(held.name).name, digest=Digest(found["image"] if found else ""))


def _key(held: HeldImage, platform: Platform) -> str:
    """An OCI layout's index names all that is below it by digest."""
    source = held.source
    content = digest_of(held.name) if source is None else file_digest(source / OCI_INDEX if source.is_dir() else source)
    return key_of("held", held.name, content, platform.oci)


def _copied(held: HeldImage, work: Path, platform: Platform) -> Path:
    target = work / "image"
    machine = ("--override-os", "linux", "--override-arch", platform.oci)
    run(["skopeo", "--insecure-policy", *machine, "copy", "--quiet", _spoken(held, work), f"dir:{target}"], timeout=PATIENCE)
    return target


def _spoken(held: HeldImage, work: Path) -> str:
    """The source in skopeo's words."""
    if held.source is None:
        return _at_registry(held)
    link = work / "source"  # a path may have a colon in it, a name for skopeo not
    link.symlink_to(held.source.absolute())
    transport, which = looked_up(held)
    return f"{transport}:{link}{which}"


def looked_up(held: HeldImage) -> tuple[str, str]:
    """The form of a held image's file or folder, and what names the one that is meant there, if anything must.

    Raises InputError for a source that has no such image.
    """
    assert held.source
    if held.source.is_dir():
        try:
            index = (held.source / OCI_INDEX).read_bytes()
        except OSError as error:
            raise _unfit(held, str(error)) from error
        return "oci", _chosen(_indexed(_document(held, index)), held)
    lists = _lists(held)
    if OCI_INDEX in lists:
        return "oci-archive", _chosen(_indexed(lists[OCI_INDEX]), held)
    if DOCKER_LIST in lists:
        return "docker-archive", _chosen(_tagged(lists[DOCKER_LIST]), held)
    raise _unfit(held, "it has neither an OCI index nor Docker's list of images")


def _at_registry(held: HeldImage) -> str:
    return f"docker://{split(held.name).repository}@{digest_of(held.name)}"


def _lists(held: HeldImage) -> dict[str, Any]:
    """The documents of an archive that say which images it has."""
    assert held.source
    try:
        with tarfile.open(held.source) as archive:
            inside = {each.name.removeprefix("./"): each for each in archive if each.isfile()}
            files = {name: archive.extractfile(inside[name]) for name in (OCI_INDEX, DOCKER_LIST) if name in inside}
            return {name: _document(held, file.read(), name) for name, file in files.items() if file}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _unfit(held, str(error)) from error


def _document(held: HeldImage, data: bytes, name: str = OCI_INDEX) -> Any:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise _unfit(held, f"{name} is no JSON: {error}") from error
    entries = found.get("manifests") if isinstance(found, dict) else found if name == DOCKER_LIST else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise _unfit(held, f"{name} lists no images")
    return found


Named = Iterable[tuple[str, frozenset[str]]]
"""What skopeo calls each image of a source, and the full names that it has."""


def _indexed(index: Mapping[str, Any]) -> Named:
    for entry in index["manifests"]:
        words = entry.get("annotations") or {}
        yield words.get(REF_NAME, ""), frozenset(expand(words[key]) for key in (REF_NAME, FULL_NAME) if words.get(key))


def _tagged(images: Iterable[Mapping[str, Any]]) -> Named:
    for entry in images:
        tags = entry.get("RepoTags") or [""]
        yield tags[0], frozenset(expand(tag) for tag in tags if tag)


def _chosen(found: Named, held: HeldImage) -> str:
    """What follows the source's path for the one that is meant, nothing where there is no other. Raises InputError for none."""
    images = list(found)
    if len(images) == 1:
        return ""
    wanted = split(held.name).name
    for word, names in images:
        if word and wanted in names:
            return f":{word}"
    known = sorted({name for _, names in images for name in names})
    raise _unfit(held, f"it has no image {wanted}", one_of(wanted, known))


def _taken(folder: Path, held: HeldImage, store: Store, platform: Platform) -> Digest:
    """The image's blobs into the store. Raises BuildError for one whose content is another, InputError for an unfit image."""
    text = _plain_named((folder / "manifest.json").read_bytes(), folder)
    manifest = oci.Manifest.model_validate_json(text)
    for layer in manifest.layers:
        if oci.packing(layer.media_type) not in oci.PACKINGS:
            raise _unfit(held, f"a layer is of type {layer.media_type}", "make the image anew with layers of plain tar or gzip")
    for digest in dict.fromkeys((manifest.config.digest, *(layer.digest for layer in manifest.layers))):
        blob = folder / digest.partition(":")[2]
        if not blob.is_file() or store.adopt(blob) != digest:
            raise BuildError(f"{held.name} is damaged", why=f"a blob is not {digest}")
    machine = json.loads(store.read(manifest.config.digest)).get("architecture")
    if machine != platform.oci:
        raise _unfit(held, f"it is for {machine}, the nodes are {platform.oci}")
    found = store.put(text)
    if held.source and split(held.name).digest not in ("", found):
        raise _unfit(held, f"its digest is {found}", "correct the name, or leave the digest out")
    return found


def _indexes(held: HeldImage, found: Digest, store: Store) -> list[Digest]:
    """What a registry's name means where it is not the image itself: an index of images for several machines, kept with them."""
    named = split(held.name).digest
    if held.source or named in ("", found):
        return []
    told = run(["skopeo", "--insecure-policy", "inspect", "--raw", _at_registry(held)], timeout=PATIENCE)
    index = store.put(told.stdout.encode())
    if index != named:
        raise BuildError(f"{held.name} is damaged", why=f"the registry gives {index} for it")
    return [index]


def _plain_named(text: bytes, folder: Path) -> bytes:
    """The manifest. One that skopeo wrote itself, for Docker's archive, says gzip of layers that are plain: that is put right."""
    document = json.loads(text)
    wrong = [
        layer for layer in document.get("layers", ())
        if layer.get("mediaType") == DOCKER_GZIP and _begins(folder / layer["digest"].partition(":")[2]) != GZIP_MAGIC
    ]  # fmt: skip
    for layer in wrong:
        layer["mediaType"] = DOCKER_GZIP.removesuffix(".gzip")
    return oci.canonical(document) if wrong else text


def _begins(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC))


def _unfit(held: HeldImage, why: str, hint: str = "") -> InputError:
    where = held.source or held.name
    return InputError(f"{where} can't be used for the image {split(held.name).name}", why=why, hint=hint or USAGE)
