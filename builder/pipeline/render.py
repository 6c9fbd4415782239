"""The LinuxKit YAML of a role without a build."""

from collections.abc import Iterable

from builder.components.debian import load_lock
from builder.components.registry import recall
from builder.components.source import Overrides
from builder.images import compose, held
from builder.images.files import recall_files
from builder.images.stores.registry import image_store
from builder.linuxkit.emit import document
from builder.pipeline.kubernetes import fitted, gathered
from builder.pipeline.model import Plan
from builder.pipeline.parts import FILES_IMAGE, carried, component_names, contents, decided, requests
from builder.progress import warn
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store


def render(project: Project, plan: Plan, role: Role | None, store: Store, overrides: Overrides | None = None) -> str:
    """The LinuxKit YAML of a role of the plan, or of each of its roles (None) as the documents of one stream.

    Builds and fetches nothing. An image that was built before from what its inputs are now is pinned by digest; any other
    goes by its tag, and one warning says how many those are.
    """
    lock = load_lock(project.lock)
    folders = contents(project, plan, lock)
    maker = image_store(plan.runtime.image_store)
    component, program = maker.tool or ("", "")
    wanted = component_names(folders.values(), component)
    components = gathered(project, plan, wanted, store, lambda name: recall(name, store, project, overrides, plan.target))
    images = {each.name: compose.recall(each, store) for each in requests(project, folders, components)}
    kubernetes = fitted(plan, components, images, store)
    tool = components[component].files.get(program) if component else None
    files_image = recall_files(FILES_IMAGE, plan.files.binaries, store) if plan.files.binaries else None
    others = [held.recall(each, store, plan.target.platform) for each in plan.held]
    specs = []
    for each in (role,) if role else tuple(plan.needs):
        carrier = maker.recall(*carried(plan, each, images, kubernetes, others), tool, store)
        specs.append(decided(plan, each, images, carrier, kubernetes, files_image, others))
    documents = [document(spec) for spec in specs]
    used = {reference for spec in specs for reference in spec.container_images}
    _warn_of(used.union(*(each.references() for each in documents)))
    return "---\n".join(each.to_yaml() for each in documents)


def _warn_of(references: Iterable[str]) -> None:
    missing = [reference for reference in references if "@" not in reference]
    if missing:
        words = "1 image is not built yet and goes" if len(missing) == 1 else f"{len(missing)} images are not built yet and go"
        warn(f"{words} by tag alone; `kubeiso build` pins what it builds")
