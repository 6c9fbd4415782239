"""Specs of the project's own recipes, as if every image were built."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.images.stores.registry import names
from builder.oci import Image
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Recipe, Role
from builder.spec.decide import decide
from builder.spec.descriptions import addition, handler, pod_network, runtime, with_additions, with_handlers
from builder.spec.files import own_files
from builder.spec.model import NOTHING, Extra, ImageSpec, Kubernetes, PodNetwork, Runtime
from builder.spec.needs import needs
from builder.spec.root import Root
from builder.store import sha256

ROOT = Path(__file__).parents[2]
REAL = Project(ROOT)


def handled(name: str, handlers: tuple[str, ...], cni: str = "bridge", *, policies: bool = False) -> tuple[Runtime, PodNetwork]:
    """The runtime with its handlers, and the pod network."""
    chosen = with_handlers(name, runtime(REAL, name, names()), [handler(REAL, each) for each in handlers])
    return chosen, pod_network(REAL, cni, policies=policies)


def spec_of(
    recipe: Recipe,
    role: Role = Role.MASTER,
    *,
    console_login: bool = False,
    extra: Extra = NOTHING,
    folder: Path = ROOT,
    kubernetes: Kubernetes | None = None,
) -> ImageSpec:
    chosen, network = handled(recipe.runtime, recipe.handlers, recipe.network.cni, policies=recipe.network.policies)
    chosen = with_additions(chosen, [addition(REAL, "storage", name) for name in recipe.storage])
    chosen = with_additions(chosen, [addition(REAL, "guest_tools", name) for name in recipe.guest_tools])
    need = needs(recipe, role, chosen, network, console_login=console_login, extra=extra)
    images = {
        name: Image(name=f"docker.io/kubeiso/{name}:1", digest=sha256(name.encode())) for name in (*need.node, *need.containers)
    }
    store_image = Image(name="docker.io/kubeiso/images:1", digest=sha256(b"store"))
    kubernetes = kubernetes or Kubernetes(version=recipe.kubernetes.version or "1.36.3")
    own = own_files(recipe.files, recipe.manifests, folder, Root())
    return decide(recipe, role, chosen, network, need, images, store_image, kubernetes, own, console_login=console_login)


def file_of(spec: ImageSpec, path: str) -> str:
    """What the spec has at that path; later files win."""
    return next(file.contents or "" for file in reversed(spec.files) if file.path == path)


def mistakes_of(text: str, folder: Path) -> tuple[str, ...]:
    """What is told of a recipe for containerd with that text in it."""
    path = folder / "my.yml"
    path.write_text(f"runtime: cri-containerd\n{text}\n")
    with pytest.raises(InputError) as raised:
        load_recipe(path, Project.here())
    return raised.value.details
