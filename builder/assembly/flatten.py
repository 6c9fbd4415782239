"""An image's layers as one tree, entry by entry in LinuxKit's order (mutate.Extract of go-containerregistry)."""

import gzip
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from posixpath import basename, dirname, join
from typing import IO, cast

from builder.assembly.pax import Entry, Span, clean
from builder.errors import BuildError
from builder.oci import layer_paths
from builder.store import Digest, Store, key_of

WHITEOUT = ".wh."
GZIP = b"\x1f\x8b"


def image_entries(store: Store, manifest: Digest) -> Iterator[Entry]:
    """The flattened image. The content of an entry can be read until the next one is asked for."""
    yield from flattened([_plain(store, path) for path in layer_paths(store, manifest)])


def _plain(store: Store, layer: Path) -> Path:
    """The layer without compression; what gzip gave is kept in the store."""
    with layer.open("rb") as file:
        if file.read(2) != GZIP:
            return layer

    def unpack() -> dict[str, str]:
        with gzip.open(layer) as stream:
            return {"layer": store.put_stream(cast(IO[bytes], stream))}

    return store.path(store.once(key_of("unpacked layer", layer.name), unpack)["layer"])


def flattened(layers: Sequence[Path]) -> Iterator[Entry]:
    """The tree of layers given lowest first: the top layer's entries come first, and the first entry of a name wins.

    Names are in their shortest form. A file hides what lower layers have below its name, as a whiteout does.
    """
    seen: dict[str, bool] = {}
    for layer in reversed(layers):
        with layer.open("rb") as file:
            for info in headers(file):
                info.name = _inside(info.name, file)
                if info.islnk():
                    _inside(info.linkname, file)
                base = basename(info.name)
                removes = base.startswith(WHITEOUT)
                name = join(dirname(info.name), base[len(WHITEOUT) :]) if removes and not info.isdir() else info.name
                if name in seen or _hidden(seen, name):
                    continue
                seen[name] = removes or not info.isdir()
                if not removes:
                    yield info, Span(file, info.offset_data, info.size) if info.isreg() else None


def _inside(name: str, layer: IO[bytes]) -> str:
    """The name in its shortest form. Raises BuildError for one that leads out of the image's root."""
    if ".." in name.split("/"):
        raise BuildError(
            f"the layer {Path(layer.name).name} has the name {name!r}, which leads out of the image",
            why="what an image holds must stay in its container",
            hint="take another image: this one is damaged, or made to do harm",
        )  # fmt: skip
    return clean(name)


def headers(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The headers of an archive, without keeping them. Raises BuildError where it is damaged or has sparse files."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while info := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # else tarfile keeps every header
                if info.issparse():
                    raise BuildError(f"the layer {Path(file.name).name} has a sparse file: {info.name}")
                yield info
    except tarfile.TarError as error:
        raise BuildError(f"the layer {getattr(file, 'name', '')} is no tar archive", why=str(error)) from error


def _hidden(seen: dict[str, bool], name: str) -> bool:
    """Whether a directory above the name was removed, or replaced by something else."""
    while (above := dirname(name)) and above != name:
        if seen.get(above):
            return True
        name = above
    return seen.get(".", False)
