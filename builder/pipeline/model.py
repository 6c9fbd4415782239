"""What flows between the files of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.assembly.model import RootTar
from builder.components.model import Component, DebianPackage
from builder.images.model import ImageDescription
from builder.linuxkit.model import Document
from builder.media.model import Media
from builder.oci import Image
from builder.recipe.model import Recipe, Role
from builder.spec.model import ImageSpec, Kubernetes, PodNetwork, Runtime
from builder.spec.needs import Needs
from builder.store import Digest

OwnPrograms = Mapping[str, Path]
"""A developer's own programs of Kubernetes: file of the component -> where it lies."""


@dataclass(frozen=True)
class BuildOptions:
    """What the command line decides about a build.

    kubernetes_dir: the folder of a developer's own build of Kubernetes. conformance: with what others' tests need on a node.
    """

    assembler: str = "auto"
    offline: bool = False
    console_login: bool = False
    overrides: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    kubernetes_dir: Path | None = None
    conformance: bool = False


@dataclass(frozen=True)
class Plan:
    """A recipe with its descriptions and with what each role needs. own: the developer's own programs of Kubernetes."""

    recipe: Recipe
    recipe_path: Path
    runtime: Runtime
    network: PodNetwork
    needs: Mapping[Role, Needs]
    console_login: bool
    own: OwnPrograms = field(default_factory=dict)
    conformance: bool = False

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder of pkg/ that the plan makes an image of."""
        return tuple(sorted({name for need in self.needs.values() for name in (*need.node, *need.containers)}))


@dataclass(frozen=True)
class Contents:
    """What a folder of pkg/ asks for: its description, and its Debian packages as the lock pins them."""

    description: ImageDescription
    packages: tuple[DebianPackage, ...]


@dataclass(frozen=True)
class Fitted:
    """kubernetes: what the spec has to know. more: further images for pods, which are others of the plan by another name."""

    kubernetes: Kubernetes
    more: tuple[Image, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Everything that a node is made of, in the store.

    components by name; images and contents by folder of pkg/. c_parts: component -> the C compiler, and what of C is linked into
    it, each with its version. suite, lock: Debian's suite, and the digest of components.lock. kubernetes: how the images and what
    kubeadm asks for go together.
    """

    components: Mapping[str, Component]
    images: Mapping[str, Image]
    contents: Mapping[str, Contents]
    c_parts: Mapping[str, tuple[str, ...]]
    suite: str
    lock: Digest
    kubernetes: Fitted


@dataclass(frozen=True)
class Built:
    """One role's media and how they came to be. image_store: the image that holds the pods' images unpacked."""

    role: Role
    spec: ImageSpec
    document: Document
    image_store: Image
    root: RootTar
    media: Media
