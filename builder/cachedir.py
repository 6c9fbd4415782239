"""Which folder is kubeiso's cache: it has a tag from its first moment, and no other folder is ever taken for one.

The tag is that of bford.info/cachedir, so that backups leave the cache out.
"""

import re
import stat
from contextlib import suppress
from pathlib import Path

from builder.aside import write_aside
from builder.errors import InputError
from builder.owned import some

TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
_OURS = "# This is the cache of kubeiso, which makes again what is missing in it.\n"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What a version without tags had in its cache: all of these folders and nothing else, but for `known`.
_OLDER = {"blobs", "results", "locks", "tmp", "scratch"}


def claim(root: Path) -> None:
    """Makes the folder the cache, where it is new or empty, or the cache of an older version.

    It is nobody else's to read, since images and results in it hold what a recipe has as its secrets.
    Raises InputError for any other folder: it is the user's, and `clean` would empty it.
    """
    if not is_ours(root):
        _take(root)
    mode = stat.S_IMODE(root.stat().st_mode)
    if mode & stat.S_IRWXO:
        with suppress(OSError):  # another's folder, which its owner lets others write to; a disk that nobody writes to
            root.chmod(mode & ~stat.S_IRWXO)


def _take(root: Path) -> None:
    held = _held(root)
    if held and not _is_older_cache(root, held):
        raise InputError(
            f"{root} is not kubeiso's, and can't be its cache", why=f"it holds {some(held)}, and no {TAG} of kubeiso",
            hint="set KUBEISO_CACHE to a folder that is new or empty",
        )  # fmt: skip
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_aside(root / TAG, _SIGNATURE + _OURS)


def is_ours(root: Path) -> bool:
    try:
        return (root / TAG).read_text() == _SIGNATURE + _OURS
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _held(root: Path) -> list[str]:
    """What lies in the folder, less a tag that another run writes just now."""
    if not root.exists():
        return []
    return sorted(path.name for path in root.iterdir() if not path.name.startswith(f".{TAG}."))


def _is_older_cache(root: Path, held: list[str]) -> bool:
    blobs = root / "blobs"
    return (
        set(held) - {"known"} == _OLDER
        and [path.name for path in blobs.iterdir()] == ["sha256"]
        and all(_DIGEST.fullmatch(path.name) for path in (blobs / "sha256").iterdir())
    )
