"""The source `release`: files of an upstream's own release, by address and checksum, and what is taken out of its archives."""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from builder.architecture import Platform
from builder.components import mirrors
from builder.components.debian import RENEW, load_lock
from builder.components.description import Description, filled_with
from builder.components.local import check_program
from builder.components.members import taken
from builder.components.model import ReleasePin
from builder.components.source import Files, Request
from builder.download import NoAnswer, Remote, fetch, fetched, out_of_reach
from builder.errors import BuildError, InputError
from builder.frozen import Frozen
from builder.reading.shapes import Shape, Unfit
from builder.store import Digest, Store, key_of

RECIPE = 1  # raised when a change here changes what is taken out of an archive


def _check_inside(path: str) -> None:
    filled_with("version", "arch")(path)
    if posixpath.normpath(path) != path or path.startswith(("/", "..")):
        raise Unfit("a path in an archive is relative, without . and ..")


Address = Annotated[str, Shape(r"^(https?://|\{url\})\S*$", "an HTTP(S) address", filled_with("version", "arch", "url"))]
Inside = Annotated[str, Shape(r"^\S+$", "a path in the archive", _check_inside)]


class Artefact(Frozen):
    """One file of a release: an archive of which some members are taken, or a program itself."""

    url: Address = Field(description="{version} and {arch} (amd64) are filled in")
    checksums: Address | None = Field(None, description="the upstream's own list of checksums; {url} is filled in, too")
    members: dict[str, Inside] = Field(
        {}, description="program of the component -> its path in the archive, {version} and {arch} filled in"
    )
    data: dict[str, Inside] = Field(
        {}, description="file of the component that is no program -> its path in the archive, likewise"
    )
    program: str = Field("", description="the file of the component that this is, where it is no archive")

    @model_validator(mode="after")
    def _one_kind(self) -> "Artefact":
        if bool(self.members) == bool(self.program) or (self.data and self.program):
            raise Unfit("expected one of members and program", "members: of an archive, program: where the file is one itself")
        if twice := sorted(set(self.members) & set(self.data)):
            raise Unfit(f"{twice[0]} is both a program and none", "name it in members or in data")
        return self

    @property
    def inside(self) -> dict[str, str]:
        """Every file of the archive that is taken -> its path in it."""
        return {**self.members, **self.data}

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.program,) if self.program else tuple(sorted(self.inside))

    def filled(self, version: str, platform: Platform) -> "Artefact":
        """With the words in braces filled in."""
        words = {"version": version, "arch": platform.oci}
        url = self.url.format(**words)
        changed: dict[str, object] = {"url": url, "checksums": self.checksums and self.checksums.format(**words, url=url)}
        for name, paths in (("members", self.members), ("data", self.data)):
            changed[name] = {file: path.format(**words) for file, path in paths.items()}
        return self.model_copy(update=changed)


class Section(Frozen):
    """The section `release` of component.yml; the pins are in components.lock, by address."""

    artefacts: tuple[Artefact, ...] = Field(min_length=1)


def artefacts(description: Description, platform: Platform) -> tuple[Artefact, ...]:
    """The files of the upstream's release of that version; none for a component without one."""
    section = description.section(Release.name, Section)
    return tuple(each.filled(description.version, platform) for each in section.artefacts) if section else ()


class Release:
    """Fetches what components.lock pins; nothing of another checksum is ever read."""

    name = "release"

    def outputs(self, description: Description) -> tuple[str, ...]:
        section = description.section(self.name, Section)
        return tuple(sorted({file for each in section.artefacts for file in each.outputs})) if section else ()

    def places(self, description: Description, platform: Platform) -> dict[str, str]:
        """The component's files and their paths in the upstream's archives."""
        return {file: path for each in artefacts(description, platform) for file, path in each.inside.items()}

    def data(self, description: Description) -> frozenset[str]:
        """Those of the component's files that are no programs."""
        section = description.section(self.name, Section)
        return frozenset(file for each in section.artefacts for file in each.data) if section else frozenset()

    def recall(self, request: Request) -> Files | None:
        wanted = list(_wanted(request))
        found = request.store.recall(_key(wanted)) if all(each.pin for each in wanted) else None
        return found["files"] if found else None

    def provide(self, request: Request) -> Files:
        """Raises NoAnswer, NotThere and BuildError: no pin, another checksum, a member that is missing or is no plain file."""
        wanted = list(_wanted(request))
        for each in wanted:
            each.demand(offline=request.offline, store=request.store)
        files: Files = request.store.once(_key(wanted), lambda: {"files": _all(wanted, request)})["files"]
        return files


@dataclass(frozen=True)
class _Wanted:
    """An artefact of a component's version, with its pin where there is one."""

    artefact: Artefact
    pin: ReleasePin | None

    @property
    def url(self) -> str:
        return self.artefact.url

    @property
    def digest(self) -> Digest:
        return Digest(self.pin.digest if self.pin else "")

    def demand(self, *, offline: bool, store: Store) -> None:
        """Raises BuildError where it can be said at once that the file can't be had."""
        if self.pin is None:
            raise BuildError(f"components.lock has no checksum of {self.url}", why="nothing is taken unseen", hint=RENEW)
        if fetched(self.digest, store):
            return
        if offline:
            raise BuildError(f"{self.url} is not in the cache", why="--offline forbids to fetch it")
        if reason := out_of_reach(mirrors.release(self.url)):
            raise NoAnswer(
                f"{mirrors.release(self.url)} is out of reach", why=reason,
                hint=f"look at the network and at http_proxy / https_proxy, or set {mirrors.RELEASE_MIRROR} to a mirror",
            )  # fmt: skip


def _wanted(request: Request) -> Iterator[_Wanted]:
    pins = load_lock(request.project.lock).releases.get(request.description.name, {})
    for artefact in artefacts(request.description, request.platform):
        yield _Wanted(artefact, pins.get(artefact.url))


def _key(wanted: Iterable[_Wanted]) -> str:
    return key_of(Release.name, RECIPE, [(each.digest, each.artefact.inside, each.artefact.program) for each in wanted])


def _all(wanted: Sequence[_Wanted], request: Request) -> Files:
    files: Files = {}
    for each in wanted:
        size = each.pin.size if each.pin else None
        title = f"{request.name} {request.description.version}"
        blob = fetch(
            Remote(mirrors.release(each.url), each.digest, size, f"{title} ({posixpath.basename(each.url)})"), request.store
        )
        store = request.store
        files |= {each.artefact.program: blob} if each.artefact.program else taken(store.path(blob), each.artefact.inside, store)
    data = {file for each in wanted for file in each.artefact.data}
    for file in sorted(set(files) - data):
        with request.store.path(files[file]).open("rb") as content:
            _demand_program(f"{request.name}: {file} of its release", content.read(20), request.platform)
    return files


def _demand_program(what: str, start: bytes, platform: Platform) -> None:
    try:
        check_program(what, start, platform)
    except InputError as error:  # nobody's mistake here: the release is not what its description says
        raise BuildError(error.what, why=error.why) from error
