"""What is no mistake of a recipe, and yet not what its author may expect of the nodes."""

from collections.abc import Collection, Iterator
from pathlib import Path

from builder.recipe.manifests import images_of
from builder.recipe.model import Recipe
from builder.references import split
from builder.spec.model import PodNetwork


def advice(
    recipe: Recipe, folder: Path, network: PodNetwork, carried: Collection[str], closed: Collection[str]
) -> Iterator[str]:  # fmt: skip
    """One line for each. folder: where the recipe lies. carried: the names of the images that nodes bring by themselves.

    closed: the images of pkg/ that a node is made of whose consoles ask nobody in.
    """
    for name in sorted(recipe.replace.keys() - closed):
        yield f"replace: {name} is part of what is built with --console-login alone"
    if network.policies and not recipe.network.policies:
        yield (
            f"with the pod network {recipe.network.cni}, NetworkPolicy objects are taken and do nothing; "
            "network: {policies: true} enforces them"
        )
    held = {*carried, *(name for image in recipe.images for name in (image.name, split(image.name).name))}
    for manifest in recipe.manifests:
        if lacking := sorted(images_of(folder / manifest) - held):
            names = ", ".join(lacking)
            yield f"{manifest} names what the nodes do not have, and pull from its registry: {names}; images: holds it ready"
