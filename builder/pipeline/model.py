"""What flows between the files of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.architecture import platform
from builder.components.source import Target
from builder.images.model import HeldImage
from builder.media.model import SecureBoot
from builder.recipe.model import Recipe, Role
from builder.spec.files import OwnFiles
from builder.spec.model import NOTHING, Expected, Extra, PodNetwork, Runtime
from builder.spec.needs import Needs

OwnPrograms = Mapping[str, Path]
"""A developer's own programs of Kubernetes: file of the component -> where it lies."""


@dataclass(frozen=True)
class BuildOptions:
    """What the command line decides about a build.

    kubernetes_dir: the folder of a developer's own build of Kubernetes. extra: what nodes have for tests alone.
    formats: of the media (builder/media/make.py), the recipe's where it is (). source: the one that is asked of each component
    that has it, "auto" for each. secure: the key that what UEFI starts is signed with.
    sign: the key that every file but those for this user alone is signed with (minisign).
    """

    assembler: str = "auto"
    offline: bool = False
    console_login: bool = False
    overrides: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    kubernetes_dir: Path | None = None
    extra: Extra = NOTHING
    formats: tuple[str, ...] = ()
    source: str = "auto"
    secure: SecureBoot | None = None
    sign: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A recipe with its descriptions, its files, and with what each role needs.

    expected: what the pinned kubeadm asks for, where that is known. pins: the version of Kubernetes whose pins are
    taken. own: a developer's own programs of Kubernetes. held: the recipe's further images for pods. foreign: images of others
    for the node itself. carried: folders of pkg/ whose files the media carry themselves.
    """

    recipe: Recipe
    recipe_path: Path
    runtime: Runtime
    network: PodNetwork
    needs: Mapping[Role, Needs]
    files: OwnFiles
    expected: Expected | None
    pins: str
    console_login: bool
    own: OwnPrograms = field(default_factory=dict)
    extra: Extra = NOTHING
    held: tuple[HeldImage, ...] = ()
    foreign: tuple[HeldImage, ...] = ()
    carried: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        """What its components are for."""
        return Target(platform(self.recipe.platform), self.pins, separate=self.recipe.kubernetes.programs == "separate")

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder of pkg/ that the plan makes an image of."""
        named = {name for need in self.needs.values() for name in (*need.node, *need.containers)}
        return tuple(sorted({*named, *self.carried}))
