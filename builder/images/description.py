"""pkg/NAME/image.yml -> ImageDescription, with every mistake told at once."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from builder.errors import InputError
from builder.images.model import ImageDescription, KernelDescription

FILE = "image.yml"


def load_description(folder: Path) -> ImageDescription:
    """Reads and checks the description in a folder of pkg/.

    Raises InputError that names the file, and each wrong key with the nearest right word.
    """
    path = folder / FILE
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist", hint=f"an image is a folder of pkg/ with a file {FILE}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML", why=" ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise InputError(f"{path} has to be a mapping of keys to values")
    try:
        return ImageDescription.model_validate(document)
    except ValidationError as error:
        mistakes = tuple(sorted(_told(mistake) for mistake in error.errors()))
        what = f"{path} has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}"
        raise InputError(what, details=mistakes, hint="correct the description of this image") from error


def _told(mistake: Any) -> str:
    place = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] != "extra_forbidden":
        return f"{place}: {mistake['msg']}"
    model = KernelDescription if mistake["loc"][0] == "kernel" else ImageDescription
    return f"{place}: no such key{_near(str(mistake['loc'][-1]), model.model_fields)}"


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else f" (known: {', '.join(sorted(known))})"
