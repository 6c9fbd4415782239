"""pkg/NAME/image.yml -> ImageDescription, with every mistake told at once."""

from pathlib import Path

from builder.images.model import ImageDescription
from builder.reading.document import load
from builder.reading.source import Kind

FILE = "image.yml"
KIND = Kind("description", "image: docker.io/kubeiso/NAME:1")


def load_description(folder: Path) -> ImageDescription:
    """Reads and checks the description in a folder of pkg/.

    Raises InputError that names the file, and each mistake with its place and the nearest right word.
    """
    return load(folder / FILE, ImageDescription, KIND)
