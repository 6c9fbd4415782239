"""pkg/NAME/image.yml -> ImageDescription, with every mistake told at once."""

from pathlib import Path

from builder.errors import InputError
from builder.images.model import ImageDescription
from builder.reading.document import load
from builder.reading.source import Kind

FILE = "image.yml"
KIND = Kind("description", "image: docker.io/kubeiso/NAME:1")


def load_description(folder: Path) -> ImageDescription:
    """Reads and checks the description in a folder of pkg/.

    One that is `like` another has that one's keys where it has none; of groups (contents, links, ...) it has both, and its own
    entries win. The other folder's `files/` stay its own.
    Raises InputError that names the file, and each mistake with its place and the nearest right word.
    """
    own = load(folder / FILE, ImageDescription, KIND)
    return _over(own, load(folder.parent / own.like / FILE, ImageDescription, KIND)) if own.like else own


def _over(own: ImageDescription, other: ImageDescription) -> ImageDescription:
    """Raises InputError where the other is `like` a third."""
    if other.like:
        raise InputError(f"{own.image} can't be like {own.like}, which is like {other.like}", hint=f"write `like: {other.like}`")
    said = {name: getattr(own, name) for name in own.model_fields_set}
    merged = {name: {**getattr(other, name), **value} if isinstance(value, dict) else value for name, value in said.items()}
    return other.model_copy(update=merged)
