"""pkg/NAME/component.yml: the component's version, and one section for each source that can give it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from builder.errors import InputError
from builder.project import Project
from builder.reading.document import planted, valid, wrong
from builder.reading.shapes import Unfit
from builder.reading.source import Kind
from builder.reading.tree import Tree
from builder.reading.words import one_of

S = TypeVar("S", bound=BaseModel)

FILE = "component.yml"
MINOR = re.compile(r"[0-9]+\.[0-9]+")
KIND = Kind("description", 'version: "1.2.3"')


def filled_with(*known: str) -> Callable[[str], None]:
    """The check of a text in which these names in braces are filled in; it raises Unfit for any other."""

    def check(text: str) -> None:
        for name in re.findall(r"\{([^{}]*)\}", text):
            if name not in known:
                raise Unfit(f"nothing fills in {{{name}}}", one_of(name, known))

    return check


@dataclass(frozen=True)
class Description:
    """A component as its folder describes it. `tree` has the sections, by the names of the sources that they are for."""

    name: str
    folder: Path
    version: str
    tree: Tree

    @property
    def path(self) -> Path:
        return self.folder / FILE

    @property
    def sections(self) -> Mapping[str, Mapping[str, Any]]:
        value = self.tree.value
        return {key: section for key, section in value.items() if key != "version"} if isinstance(value, dict) else {}

    def section(self, source: str, model: type[S]) -> S | None:
        """The source's section, checked; None where there is none. Raises InputError with every mistake in it."""
        return valid(self.tree.below(source), model, self.path, KIND) if source in self.sections else None


def describe(name: str, project: Project, kubernetes: str = "") -> Description:
    """Reads pkg/NAME/component.yml, or that in pkg/NAME/MINOR/ of a component that each minor version of Kubernetes has pins of.

    kubernetes: the version that is wanted; the newest pinned one where it is "". Raises InputError for an unknown component, for
    a minor version that has no pins, and for a file that can't be read.
    """
    path = _folder(name, project, kubernetes) / FILE
    tree = planted(path, KIND)
    version = tree.at("version")
    if not isinstance(version, str):
        tree.add(("version",), "no version is named", 'write it in quotes, such as version: "1.2.3"')
    sections = {key: value for key, value in tree.value.items() if key != "version"} if isinstance(tree.value, dict) else {}
    if not sections:
        tree.add((), "no source is named", "a section such as golang: says where the files come from")
    for key, value in sections.items():
        if not isinstance(value, dict) and not tree.is_spoilt((key,)):
            tree.add((key,), "expected a group of keys", "a section such as golang: says where the files come from")
    if tree.mistakes:
        raise wrong(path, tree.mistakes, KIND)
    return Description(name, path.parent, str(version), tree)


def _folder(name: str, project: Project, kubernetes: str) -> Path:
    folder = project.pkg / name
    if (folder / FILE).is_file():
        return folder
    found = minors(name, project)
    if not found:
        known = ", ".join(names(project))
        raise InputError(f"there is no component {name}", why=f"{folder / FILE} is missing", hint=f"the components are: {known}")
    wanted = minor(kubernetes) if kubernetes else found[-1]
    if wanted not in found:
        raise InputError(f"pkg/{name} has no pins for Kubernetes {wanted}", hint=f"there are: {', '.join(found)}")
    return folder / wanted


def minors(name: str, project: Project) -> tuple[str, ...]:
    """The minor versions of Kubernetes that the component has a folder for, oldest first; none where it has one for all."""
    found = [path.parent.name for path in (project.pkg / name).glob(f"*/{FILE}") if MINOR.fullmatch(path.parent.name)]
    return tuple(sorted(found, key=lambda each: [int(part) for part in each.split(".")]))


def versions(name: str, project: Project) -> tuple[str, ...]:
    """Every version that the component has pins of, oldest first."""
    return tuple(describe(name, project, each).version for each in minors(name, project) or ("",))


def names(project: Project) -> tuple[str, ...]:
    """All components of the project, sorted."""
    found = {path.parent.name for path in project.pkg.glob(f"*/{FILE}")}
    return tuple(sorted(found | {path.parent.parent.name for path in project.pkg.glob(f"*/*/{FILE}") if _is_minor(path)}))


def _is_minor(path: Path) -> bool:
    return MINOR.fullmatch(path.parent.name) is not None


def minor(version: str) -> str:
    """1.36.3 -> 1.36"""
    return ".".join(version.split(".")[:2])
