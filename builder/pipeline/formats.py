"""Which formats of media a build makes, and what of pkg/ they carry themselves."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from builder.media.make import SIGNED, makers
from builder.media.model import Maker
from builder.media.uki import signing
from builder.oci import Image, layer_entries, layer_paths
from builder.pipeline.model import BuildOptions, Plan
from builder.recipe.model import Recipe
from builder.store import Digest, Store


def asked(recipe: Recipe, options: BuildOptions) -> tuple[Maker, ...]:
    """The makers of what is asked for. Raises InputError for an unknown format."""
    wanted = makers(options.formats or recipe.media.formats)
    return tuple(signing(maker) if options.secure and maker.format in SIGNED else maker for maker in wanted)


def chosen(plan: Plan, options: BuildOptions) -> tuple[Maker, ...]:
    """The makers of what is asked for. Raises InputError for an unknown format, ToolMissing for what they lack on this host."""
    found = asked(plan.recipe, options)
    for maker in found:
        maker.check(plan.target.platform)
        maker.refuse(" ".join(plan.recipe.kernel.arguments))
    return found


def programs(plan: Plan, images: Mapping[str, Image], store: Store) -> dict[str, Digest]:
    """The files of the images that the media carry themselves, by their names."""
    found = {}
    for folder in plan.carried:
        for layer in layer_paths(store, images[folder].digest):
            for info, content in layer_entries(layer):
                if content and info.isreg():
                    found[PurePosixPath(info.name).name] = store.put(content.read())
    return found
