"""Pins of upstreams' releases anew: what their own lists of checksums say of the files that the components ask for."""

import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from builder import download
from builder.architecture import AMD64, Platform
from builder.components import mirrors
from builder.components.description import describe, minors, names
from builder.components.model import Lock, ReleasePin
from builder.components.release import artefacts
from builder.errors import BuildError, KubeisoError
from builder.progress import step, warn
from builder.project import Project

HASHES = {64: "sha256", 128: "sha512"}
# A line of sha256sum or sha512sum: the hash, and unless it is the only one the file's name, "*" before it for binary files; or of
# BSD's: SHA256 (name) = hash.
LINE = re.compile(r"^(?P<hash>[0-9a-fA-F]{64,128})(?:\s+\*?(?P<name>\S.*))?$")
BSD = re.compile(r"^SHA\d+ \((?P<name>.+)\) = (?P<hash>[0-9a-fA-F]{64,128})$")

Pins = dict[str, dict[str, ReleasePin]]


def releases(
    project: Project, before: Pins, platform: Platform = AMD64, read: Callable[[str], str] = download.text
) -> Pins:  # fmt: skip
    """The pins of every component's release. What no list can be had of keeps its pin, and a warning says so.

    read: gives the text at an address.
    """
    found: Pins = {}
    for name in names(project):
        for kubernetes in minors(name, project) or ("",):
            description = describe(name, project, kubernetes)
            for artefact in artefacts(description, platform):
                old = before.get(name, {}).get(artefact.url)
                if pin := _pin(artefact.url, artefact.checksums, old, read):
                    found.setdefault(name, {})[artefact.url] = pin
    return found


def _pin(
    url: str, address: str | None, old: ReleasePin | None, read: Callable[[str], str]
) -> ReleasePin | None:  # fmt: skip
    kept = "its pin stays as it is" if old else f"it can't be built from its release; pin it in components.lock by hand: {url}"
    label = posixpath.basename(url)
    if address is None:
        if old is None:
            warn(f"{label}: its upstream has no list of checksums; {kept}")
        return old
    try:
        with step(f"read the checksum of {label}"):
            if reason := download.out_of_reach(mirrors.release(address)):
                raise BuildError(f"{address} is out of reach", why=reason)
            digest = digest_in(read(mirrors.release(address)), label)
    except KubeisoError as error:
        warn(f"{label}: {error.what}{f' ({error.why})' if error.why else ''}; {kept}")
        return old
    return old if old and old.digest == digest else ReleasePin(digest=digest)


def digest_in(listed: str, name: str) -> str:
    """The file's digest in a list of checksums, by its name; in a list of one, whatever the name. Raises BuildError."""
    lines = [match for line in listed.splitlines() if (match := LINE.match(line.strip()) or BSD.match(line.strip()))]
    fitting = [line for line in lines if line["name"] and posixpath.basename(line["name"].strip()) == name] or lines
    with suppress(KeyError):
        if len({line["hash"].lower() for line in fitting}) == 1:
            return f"{HASHES[len(fitting[0]['hash'])]}:{fitting[0]['hash'].lower()}"
    raise BuildError(f"its upstream's list of checksums does not say one of {name}")


def changes(old: Lock, new: Lock) -> Iterator[str]:
    """A line for each pin that is another one now."""
    packages = {name: package.version for name, package in old.packages.items()}
    yield from _between("package", packages, {name: package.version for name, package in new.packages.items()})
    yield from _between("release", _digests(old), _digests(new))


def _digests(lock: Lock) -> dict[str, str]:
    return {url: pin.digest for pins in lock.releases.values() for url, pin in pins.items()}


def _between(kind: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{kind} {name}: {old.get(name, 'new')} -> {new.get(name, 'gone')}"
