"""What is taken out of an upstream's archive: the named members and nothing else, links between them followed inside it."""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from builder.components.archive import BROKEN, opened
from builder.components.source import Files
from builder.errors import BuildError
from builder.store import Digest, Store
from builder.tarball import entries

LINKS_IN_A_ROW = 8
"""Symbolic links that may lead from one to the next."""


def taken(archive: Path, members: Mapping[str, str], store: Store) -> Files:
    """The archive's `members` (file of the component -> path in it), in the store; nothing is written anywhere else.

    A symbolic link to a plain file of the same archive is followed. Raises BuildError where a member is missing, is there twice,
    is no plain file or leads out of the archive, and for an archive that can't be read.
    """
    places = dict(members)
    files: Files = {}
    for _ in range(LINKS_IN_A_ROW):
        found, links = _pass(archive, {file: places[file] for file in places if file not in files}, store)
        files |= found
        if not links:
            break
        places |= links
    if missing := sorted(set(members) - set(files)):
        raise BuildError(
            "the archive does not have all that it should", details=tuple(_way(members[f], places[f]) for f in missing)
        )
    return files


def _way(member: str, place: str) -> str:
    return member if member == place else f"{member} (a link that leads to {place})"


def _pass(archive: Path, wanted: Mapping[str, str], store: Store) -> tuple[Files, dict[str, str]]:
    """What one reading of the archive gives: the plain files, and where the links among the wanted lead."""
    names: dict[str, list[str]] = {}
    for file, place in wanted.items():
        names.setdefault(place, []).append(file)
    files: Files = {}
    links: dict[str, str] = {}
    try:
        with opened(archive) as stream:
            for info, content in entries(stream):
                path = info.name.removeprefix("./")
                here = names.get(path, ())
                if any(file in files or file in links for file in here):
                    raise BuildError(f"{path} is in the archive twice")
                if here and info.issym():
                    links |= dict.fromkeys(here, _target(path, info.linkname))
                elif here:
                    files |= dict.fromkeys(here, _stored(path, content, store))
    except BROKEN as error:
        raise BuildError("the archive can't be read", why=str(error)) from error
    return files, links


def _stored(path: str, content: IO[bytes] | None, store: Store) -> Digest:
    if content is None:
        raise BuildError(f"{path} in the archive is no plain file", why="hard links and devices are not taken")
    return store.put_stream(content)


def _target(path: str, link: str) -> str:
    """Where a link in the archive leads, as a path in it. Raises BuildError where that is outside."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    if link.startswith("/") or target.startswith(".."):
        raise BuildError(f"{path} in the archive is no plain file", why=f"it is a link that leads out of the archive, to {link}")
    return target
