"""Where the project's own files lie: the folders of images, the recipes, the descriptions, the pins.

In a clone they lie beside this package; in an installed program they are in it, under content/. Those of the working folder,
where it has folders of these names, come before both.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder.errors import InputError
from builder.progress import note

FOLDERS = ("recipes", "runtimes", "handlers", "networks", "storage", "guest_tools", "pkg")

_DESCRIBED = ("image.yml", "component.yml")
"""A folder of pkg/ is one of these nodes' only with such a file: other projects have a pkg/, too."""


@dataclass(frozen=True)
class Folder:
    """A folder in several layers; what an earlier one has hides the same of a later one."""

    layers: tuple[Path, ...]

    def __truediv__(self, name: str) -> Path:
        """The first layer's that has it; of what none has, where the project's own would be."""
        return next((layer / name for layer in self.layers if _counts(layer / name)), self.layers[-1] / name)

    def glob(self, pattern: str) -> Iterator[Path]:
        """What matches in any layer, by name, without what is hidden."""
        found: dict[Path, Path] = {}
        for layer in reversed(self.layers):
            found |= {
                path.relative_to(layer): path for path in layer.glob(pattern) if _counts(layer / path.relative_to(layer).parts[0])
            }
        yield from (found[inside] for inside in sorted(found))


def _counts(path: Path) -> bool:
    if path.parent.name != "pkg" or not path.is_dir():
        return path.exists()
    return any(next(path.glob(pattern), None) for name in _DESCRIBED for pattern in (name, f"*/{name}"))


@dataclass(frozen=True)
class Project:
    """The folder that holds `pkg/`, `recipes/`, `runtimes/`, `networks/` and `components.lock`; `own`: the user's, before it."""

    root: Path
    own: Path | None = None

    @classmethod
    def here(cls) -> "Project":
        """The project in $KUBEISO_PROJECT alone; or the one around this package or in it, and the working folder before it.

        Raises InputError where there is none.
        """
        named = os.environ.get("KUBEISO_PROJECT")
        package = Path(__file__).resolve().parent
        candidates = [Path(named).absolute()] if named else [package.parent, package / "content"]
        root = next((path for path in candidates if _is_project(path, named is not None)), None)
        if root is None:
            raise InputError(
                f"{candidates[0]} is not a kubeiso project", why="it has no folder pkg/ with kubeiso's images",
                hint="run kubeiso from a clone of the project or install it; KUBEISO_PROJECT, where it is set, names a clone",
            )  # fmt: skip
        working = Path.cwd()
        own = working if not named and working != root and any((working / name).is_dir() for name in FOLDERS) else None
        return cls(root, own)

    def folder(self, name: str) -> Folder:
        layers = [self.own / name] if self.own and (self.own / name).is_dir() else []
        return Folder((*layers, self.root / name))

    @cached_property
    def pkg(self) -> Folder:
        return self.folder("pkg")

    @cached_property
    def recipes(self) -> Folder:
        return self.folder("recipes")

    @property
    def lock(self) -> Path:
        """The pins; those of the working folder where it has such a file."""
        own = self.own / "components.lock" if self.own else None
        return own if own and own.exists() else self.root / "components.lock"

    @property
    def lock_to_write(self) -> Path:
        """Where renewed pins go: into the working folder, where it has folders of its own."""
        return (self.own or self.root) / "components.lock"

    def tell_own(self) -> None:
        """Notes what the working folder has in place of the project's own."""
        for name in FOLDERS:
            folder = self.folder(name)
            if len(folder.layers) > 1:
                hidden = sorted(
                    path.name for path in folder.layers[0].iterdir() if _counts(path) and (folder.layers[1] / path.name).exists()
                )
                note(
                    f"{name}/ of this folder comes first"
                    + (f", in place of kubeiso's own: {', '.join(hidden)}" if hidden else "")
                )


def _is_project(path: Path, named: bool) -> bool:
    """What was named need not be whole; what only lies around the package may be anybody's."""
    return (path / "pkg").is_dir() and (named or (path / "components.lock").is_file() or (path / "recipes").is_dir())
