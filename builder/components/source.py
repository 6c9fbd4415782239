"""What every source of components is: one protocol, so that another source is another file and a line in the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from builder.architecture import AMD64, Platform
from builder.components.description import Description
from builder.project import Project
from builder.store import Digest, Store

Overrides = Mapping[str, Path]
"""What the user gave with --component: "NAME" or "NAME/FILE" -> a file, a directory or an archive."""


Files = dict[str, Digest]
"""A component's files by name, all of them in the store."""


@dataclass(frozen=True)
class Target:
    """What the files are for.

    kubernetes: the version of the cluster, "" for the newest that has pins. separate: whether programs that can be one are not.
    """

    platform: Platform = AMD64
    kubernetes: str = ""
    separate: bool = False


TARGET = Target()


@dataclass(frozen=True)
class Request:
    """A component that is asked for, and what a source may use to get it."""

    description: Description
    store: Store
    project: Project
    overrides: Overrides = field(default_factory=dict)
    offline: bool = False
    target: Target = TARGET

    @property
    def platform(self) -> Platform:
        return self.target.platform

    @property
    def name(self) -> str:
        return self.description.name


class Source(Protocol):
    """Gives the files of components."""

    @property
    def name(self) -> str:
        """The name of its section in component.yml."""

    def outputs(self, description: Description) -> tuple[str, ...]:
        """The files that the component has by this source's section; none where there is no section."""

    def recall(self, request: Request) -> Files | None:
        """The files from an earlier run, without any work; None where they have yet to be made."""

    def provide(self, request: Request) -> Files:
        """The files, all in the store. Raises a KubeisoError that says why it can't."""
