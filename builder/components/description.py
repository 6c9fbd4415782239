"""pkg/NAME/component.yml: the component's version, and one section for each source that can give it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import InputError
from builder.project import Project

S = TypeVar("S", bound=BaseModel)

FILE = "component.yml"


@dataclass(frozen=True)
class Description:
    """A component as its folder describes it. `sections` maps a source's name to what that source needs to know."""

    name: str
    folder: Path
    version: str
    sections: Mapping[str, Mapping[str, Any]]

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def section(self, source: str, model: type[S]) -> S | None:
        """The source's section, checked; None where there is none. Raises InputError with every mistake in it."""
        if source not in self.sections:
            return None
        try:
            return model.model_validate(self.sections[source])
        except ValidationError as error:
            mistakes = tuple(f"{source}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"{self.path} has mistakes", details=mistakes) from error


def describe(name: str, project: Project) -> Description:
    """Reads pkg/NAME/component.yml. Raises InputError for an unknown component and for a file that can't be read."""
    folder = project.pkg / name
    try:
        document = yaml.safe_load((folder / FILE).read_text())
    except FileNotFoundError as error:
        known = ", ".join(names(project))
        raise InputError(
            f"there is no component {name}", why=f"{folder / FILE} is missing", hint=f"the components are: {known}"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{folder / FILE} is not YAML", why=str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("version"), str):
        raise InputError(f"{folder / FILE} names no version", hint='write it in quotes, such as version: "1.2.3"')
    sections = {key: value for key, value in document.items() if key != "version"}
    if not sections or not all(isinstance(value, dict) for value in sections.values()):
        raise InputError(f"{folder / FILE} names no source", hint="a section such as golang: says where the files come from")
    return Description(name, folder, document["version"], sections)


def names(project: Project) -> tuple[str, ...]:
    """All components of the project, sorted."""
    return tuple(sorted(path.parent.name for path in project.pkg.glob(f"*/{FILE}")))
