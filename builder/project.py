"""Where the project's own files lie: the folders of images, the recipes, the pins."""

import os
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InputError


@dataclass(frozen=True)
class Project:
    """The folder that holds `pkg/`, `recipes/`, `runtimes/`, `networks/` and `components.lock`."""

    root: Path

    @classmethod
    def here(cls) -> "Project":
        """The project in $KUBEISO_PROJECT, or the one that this package lies in. Raises InputError where there is none."""
        named = os.environ.get("KUBEISO_PROJECT")
        root = Path(named).absolute() if named else Path(__file__).resolve().parent.parent
        if not (root / "pkg").is_dir():
            raise InputError(
                f"{root} is not a kubeiso project",
                why="it has no folder pkg/",
                hint="run kubeiso from a clone of the project, or set KUBEISO_PROJECT to one",
            )
        return cls(root)

    @property
    def pkg(self) -> Path:
        return self.root / "pkg"

    @property
    def recipes(self) -> Path:
        return self.root / "recipes"

    @property
    def runtimes(self) -> Path:
        return self.root / "runtimes"

    @property
    def networks(self) -> Path:
        return self.root / "networks"

    @property
    def lock(self) -> Path:
        return self.root / "components.lock"
