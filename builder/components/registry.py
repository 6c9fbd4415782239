"""The sources, and the search through those of a component, in the order in which its component.yml has them."""

from collections.abc import Iterable

from builder.components.description import Description, describe, names
from builder.components.golang import Golang
from builder.components.local import Upstream, take
from builder.components.model import Component
from builder.components.release import Release
from builder.components.source import TARGET, Files, Overrides, Request, Source, Target
from builder.errors import BuildError, InputError, KubeisoError, ToolMissing
from builder.progress import debug
from builder.project import Project
from builder.reading.words import did_you_mean
from builder.store import Store, key_of

RELEASE = Release()
SOURCES: tuple[Source, ...] = (Golang(), RELEASE)


def find(
    name: str,
    store: Store,
    project: Project,
    overrides: Overrides | None = None,
    *,
    offline: bool = False,
    source: str = "auto",
    target: Target = TARGET,
) -> Component:
    """The component from the first of its sources that gives it: the user's own files, the cache, then each in turn.

    `source` is "auto" or the name of the one source to ask, of a component that has it. With `offline` nothing is fetched.
    Raises InputError for the user's mistakes, otherwise BuildError (ToolMissing where only a program lacks) that names
    the component and each source with the reason why it failed.
    """
    description = describe(name, project, target.kubernetes)
    request = Request(description, store, project, overrides or {}, offline, target)
    sources = _sources_of(description, source)
    own, complete = _own(request, sources)
    if complete:
        return _component(description, "local", own)
    if source != "auto" and (source == "local" or source in description.sections):
        sources = tuple(each for each in sources if each.name == source)
    origin, files = _recalled(request, sources) or _provided(request, sources)
    store.remember(_had(description), {"source": origin})
    return _component(description, f"{origin}+local" if own else origin, {**files, **own})


def recall(name: str, store: Store, project: Project, overrides: Overrides | None = None, target: Target = TARGET) -> Component:
    """The component from the user's own files or the cache; without `files` where it has yet to be got.

    Builds and fetches nothing. A source may start programs to learn the versions of its tools, but none is asked for a
    component that was never had.
    """
    description = describe(name, project, target.kubernetes)
    request = Request(description, store, project, overrides or {}, offline=True, target=target)
    sources = _sources_of(description, "auto")
    own, complete = _own(request, sources)
    if complete:
        return _component(description, "local", own)
    found = _recalled(request, sources) if store.recall(_had(description)) else None
    if found is None:
        return _component(description, "", {})
    origin, files = found
    return _component(description, f"{origin}+local" if own else origin, {**files, **own})


def files_of(name: str, project: Project, kubernetes: str = "") -> tuple[str, ...]:
    """The names of the component's files."""
    description = describe(name, project, kubernetes)
    return _outputs(description, _sources_of(description, "auto"))


def soonest_told(wanted: Iterable[str], project: Project, kubernetes: str = "") -> tuple[str, ...]:
    """The order in which to get components: what has no other source than a release is had, or not, within seconds."""

    def built(name: str) -> bool:
        return set(describe(name, project, kubernetes).sections) != {Release.name}

    return tuple(sorted(wanted, key=lambda name: (built(name), name)))


def check_overrides(overrides: Overrides, project: Project) -> None:
    """Raises InputError that lists every --component whose component or path does not exist."""
    known = names(project)
    mistakes = []
    for key, path in overrides.items():
        name = key.partition("/")[0]
        if name not in known:
            near = did_you_mean(name, known)
            mistakes.append(f"{key}: there is no component {name}" + (f"; {near}" if near else ""))
        elif not path.exists():
            mistakes.append(f"{key}: {path} does not exist")
    if mistakes:
        raise InputError("--component can't be used", details=tuple(mistakes), hint=f"the components are: {', '.join(known)}")


def _had(description: Description) -> str:
    """The key of the note that some version of this component is, or was, in the store."""
    return key_of("component was had", description.name)


def _own(request: Request, sources: tuple[Source, ...]) -> tuple[Files, bool]:
    """The user's own files, and whether they are all that the component has."""
    outputs = _outputs(request.description, sources)
    description = request.description
    own = take(request, outputs, Upstream(RELEASE.places(description, request.platform), RELEASE.data(description)))
    return own, len(own) == len(outputs)


def _outputs(description: Description, sources: tuple[Source, ...]) -> tuple[str, ...]:
    return tuple(sorted({output for each in sources for output in each.outputs(description)}))


def _component(description: Description, origin: str, files: Files) -> Component:
    return Component(name=description.name, version=description.version, source=origin, files=files)


def _sources_of(description: Description, wanted: str) -> tuple[Source, ...]:
    """The sources that component.yml has a section for, in the order of trying."""
    known = [source.name for source in SOURCES]
    unknown = sorted(set(description.sections) - set(known))
    if unknown:
        raise InputError(f"{description.path}: unknown source {', '.join(unknown)}", hint=f"the sources are: {', '.join(known)}")
    if wanted not in ("auto", "local", *known):
        raise InputError(f"there is no source {wanted}", hint=f"the sources are: auto, local, {', '.join(known)}")
    named = {source.name: source for source in SOURCES}
    return tuple(named[name] for name in description.sections)


def _recalled(request: Request, sources: tuple[Source, ...]) -> tuple[str, Files] | None:
    """What an earlier run got, from whichever source."""
    for source in sources:
        files = source.recall(request)
        if files is not None:
            debug(f"{request.name}: from the cache ({source.name})")
            return source.name, files
    return None


def _provided(request: Request, sources: tuple[Source, ...]) -> tuple[str, Files]:
    tried: list[tuple[str, KubeisoError]] = []
    for source in sources:
        try:
            return source.name, source.provide(request)
        except InputError:
            raise
        except KubeisoError as error:
            tried.append((source.name, error))
    raise _none(request, tried)


def _none(request: Request, tried: list[tuple[str, KubeisoError]]) -> KubeisoError:
    """The error that tells what was tried; its exit code is that of a missing tool where nothing else was wrong."""
    lines = [f"local: no --component {request.name}=PATH was given", "cache: not made before from these inputs"]
    for source, error in tried:
        first, *more = str(error).splitlines()
        lines += [f"{source}: {first}", *(f"  {line}" for line in more)]
    kind = ToolMissing if tried and all(isinstance(error, ToolMissing) for _, error in tried) else BuildError
    return kind(
        f"the component {request.name} {request.description.version} can't be had", details=tuple(lines),
        why="none of its sources gave it",
        hint=f"put that right, or give your own: --component {request.name}=PATH (a file, a directory or an archive)",
    )  # fmt: skip
