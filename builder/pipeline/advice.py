"""What is no mistake of a recipe, and yet not what its author may expect of the nodes."""

from collections.abc import Iterator

from builder.recipe.model import Recipe
from builder.spec.model import PodNetwork


def advice(recipe: Recipe, network: PodNetwork) -> Iterator[str]:
    """One line for each."""
    if network.policies and not recipe.network.policies:
        yield (
            f"with the pod network {recipe.network.cni}, NetworkPolicy objects are taken and do nothing; "
            "network: {policies: true} enforces them"
        )
