"""Files that appear only when they are whole: written aside, in the same directory, then renamed over the target."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(target: Path) -> Iterator[Path]:
    """A path beside `target` that nobody else uses; what the block wrote there takes the target's place.

    After an exception the target is as it was, and nothing is left beside it. The block has to make the file.
    """
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        yield made
        made.replace(target)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def write_new(target: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a small file whole where none is. Raises FileExistsError where there is one, which stays as it is."""
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        write_aside(made, data, mode)
        os.link(made, target)
    finally:
        made.unlink(missing_ok=True)


def write_aside(target: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Writes a small file whole, with `mode` less the umask, whatever mode an older file had. Text is written as UTF-8.

    It is safe against a program that ends half-way and against a second writer, not against a loss of power (no fsync).
    """
    content = data.encode() if isinstance(data, str) else data
    with aside(target) as made, os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)
