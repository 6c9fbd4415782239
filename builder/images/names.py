"""Names of files in an image: how they are written, and globs on them."""

import fnmatch
import posixpath
import re
from collections.abc import Iterable

# The top-level directories that a merged /usr replaces by links (Debian's usrmerge).
MERGED = ("bin", "sbin", "lib", "lib64")


def plain(name: str) -> str:
    """A path without "./", slashes at its ends or ".."; "" is the root."""
    return posixpath.normpath("/" + name).lstrip("/")


def merged(name: str) -> str:
    """The plain name as it is below a merged /usr: lib/x is usr/lib/x. "lib" itself stays, it is a link there."""
    name = plain(name)
    return f"usr/{name}" if name.split("/")[0] in MERGED and "/" in name else name


def moved_link(name: str, target: str) -> str:
    """The target of a link, still pointing at the same file when the link was moved below usr/."""
    if target.startswith("/") or merged(name) == plain(name):
        return target
    aim = merged(posixpath.join(posixpath.dirname(plain(name)), target))
    return posixpath.relpath("/" + aim, "/" + posixpath.dirname(merged(name)))


class Globs:
    """Shell globs on names. `*` matches "/" too, and a glob that matches a directory takes all that is in it.

    With `merge` they speak of files of an image, where lib/x is usr/lib/x.
    """

    def __init__(self, patterns: Iterable[str], *, merge: bool = True) -> None:
        place = merged if merge else plain
        self._patterns = {pattern: re.compile(_expression(place(pattern))) for pattern in patterns}
        self._unused = set(self._patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def match(self, name: str) -> bool:
        hits = [pattern for pattern, expression in self._patterns.items() if expression.match(name)]
        self._unused.difference_update(hits)
        return bool(hits)

    @property
    def unused(self) -> list[str]:
        """The globs that nothing has matched so far: most likely misspelt."""
        return sorted(self._unused)


def _expression(glob: str) -> str:
    return f"{fnmatch.translate(glob)}|{fnmatch.translate(glob + '/*')}"
