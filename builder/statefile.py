"""Files that outlive the program that wrote them: read by an older and a newer kubeiso, and told when they are damaged.

A newer version may add keys, which an older one leaves aside; what has another meaning gets a new `format`.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from builder.aside import write_aside
from builder.errors import CheckError
from builder.frozen import Frozen


class Kept(Frozen):
    """What such a file holds. `format` counts the meanings that its keys have had."""

    format: int = 1


K = TypeVar("K", bound=Kept)


def read_kept(path: Path, kind: type[K], hint: str) -> K:
    """What the file holds. Raises FileNotFoundError, and CheckError with `hint` for one that is empty, cut or not understood."""
    try:
        return kind.model_validate_json(path.read_bytes(), extra="ignore")
    except ValidationError as error:
        raise CheckError(f"{path} can't be read", why=why(path, error), hint=hint) from error


def write_kept(path: Path, value: Kept) -> None:
    write_aside(path, value.model_dump_json(indent=1))


def why(path: Path, error: ValidationError) -> str:
    """In plain words, why what the file holds is not what it should be."""
    if not path.read_bytes().strip():
        return "it is empty, as after a power cut or on a full disk"
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return "it is cut or damaged: it is not JSON"
    place = ".".join(map(str, first["loc"]))
    return f"a kubeiso of another version wrote it: {place}: {first['msg']}" if place else str(first["msg"])
