"""What flows between the files of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.components.model import Component
from builder.linuxkit.model import Document
from builder.media.model import Media
from builder.oci import Image
from builder.recipe.model import Recipe, Role
from builder.spec.model import ImageSpec, PodNetwork, Runtime
from builder.spec.needs import Needs


@dataclass(frozen=True)
class BuildOptions:
    """What the command line decides about a build."""

    assembler: str = "auto"
    offline: bool = False
    console_login: bool = False
    overrides: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A recipe with its descriptions and with what each role needs."""

    recipe: Recipe
    recipe_path: Path
    runtime: Runtime
    network: PodNetwork
    needs: Mapping[Role, Needs]
    console_login: bool

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder of pkg/ that the plan makes an image of."""
        return tuple(sorted({name for need in self.needs.values() for name in (*need.node, *need.containers)}))


@dataclass(frozen=True)
class Parts:
    """Everything that a node is made of, in the store."""

    components: Mapping[str, Component]
    images: Mapping[str, Image]


@dataclass(frozen=True)
class Built:
    """One role's media and how they came to be."""

    role: Role
    spec: ImageSpec
    document: Document
    assembler: str
    media: Media
