"""pkg/NAME/image.yml -> ImageDescription, with every mistake told at once."""

from pathlib import Path

from builder.errors import InputError
from builder.images.model import ImageDescription
from builder.reading.document import load
from builder.reading.source import Kind

FILE = "image.yml"
KIND = Kind("description", "image: docker.io/kubeiso/NAME:1")


def load_description(folder: Path, through: tuple[str, ...] = ()) -> ImageDescription:
    """Reads and checks the description in a folder of pkg/.

    One that is `like` another has that one's keys where it has none; of groups (contents, links, ...) it has both, and its own
    entries win. The other folder's `files/` stay its own. through: the folders whose likeness led here.
    Raises InputError that names the file, and each mistake with its place and the nearest right word.
    """
    own = load(folder / FILE, ImageDescription, KIND)
    path = (*through, folder.name)
    if own.like in path:
        raise InputError(f"images that are like one another: {' -> '.join((*path, own.like))}", hint="write out one of them")
    return _over(own, load_description(folder.parent / own.like, path)) if own.like else own


def _over(own: ImageDescription, other: ImageDescription) -> ImageDescription:
    said = {name: getattr(own, name) for name in own.model_fields_set}
    merged = {name: {**getattr(other, name), **value} if isinstance(value, dict) else value for name, value in said.items()}
    return other.model_copy(update=merged)
