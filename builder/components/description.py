"""pkg/NAME/component.yml: the component's version, and one section for each source that can give it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from builder.errors import InputError
from builder.project import Project
from builder.reading.document import planted, valid, wrong
from builder.reading.source import Kind
from builder.reading.tree import Tree

S = TypeVar("S", bound=BaseModel)

FILE = "component.yml"
KIND = Kind("description", 'version: "1.2.3"')


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


def describe(name: str, project: Project) -> Description:
    """Reads pkg/NAME/component.yml. Raises InputError for an unknown component and for a file that can't be read."""
    folder = project.pkg / name
    if not (folder / FILE).is_file():
        known = ", ".join(names(project))
        raise InputError(f"there is no component {name}", why=f"{folder / FILE} is missing", hint=f"the components are: {known}")
    tree = planted(folder / FILE, KIND)
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
        raise wrong(folder / FILE, tree.mistakes, KIND)
    return Description(name, folder, str(version), tree)


def names(project: Project) -> tuple[str, ...]:
    """All components of the project, sorted."""
    return tuple(sorted(path.parent.name for path in project.pkg.glob(f"*/{FILE}")))
