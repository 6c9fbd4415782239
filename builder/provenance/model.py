"""What a medium was made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from builder.assembly.model import RootTar
from builder.components.model import Component, DebianPackage
from builder.images.model import ImageDescription
from builder.linuxkit.model import Document
from builder.media.model import Maker, Media
from builder.oci import Image
from builder.recipe.model import Role
from builder.spec.model import ImageSpec, Kubernetes
from builder.store import Digest


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
    it, each with its version. store_tool: the component that writes the image store, "" where none does.
    suite, lock: Debian's suite, and the digest of components.lock. kubernetes: how the images and what kubeadm asks for go
    together. held: the recipe's further images for pods.
    """

    components: Mapping[str, Component]
    images: Mapping[str, Image]
    contents: Mapping[str, Contents]
    c_parts: Mapping[str, tuple[str, ...]]
    store_tool: str
    suite: str
    lock: Digest
    kubernetes: Fitted
    held: tuple[Image, ...] = ()


@dataclass(frozen=True)
class Node:
    """What a role's nodes are, whatever they boot from. image_store: the image that holds the pods' images unpacked."""

    spec: ImageSpec
    document: Document
    image_store: Image


@dataclass(frozen=True)
class Built:
    """One role's media and how they came to be. image_store: the image that holds the pods' images unpacked."""

    role: Role
    spec: ImageSpec
    document: Document
    image_store: Image
    root: RootTar
    media: Media
    maker: Maker
