"""What the folders of a plan ask for, and how what they ask for becomes images."""

from collections.abc import Iterable, Mapping

from builder.components.debian import debs, pinned
from builder.components.description import describe
from builder.components.golang import Golang, Section
from builder.components.model import INITRD, Component, Lock
from builder.components.registry import find, soonest_told
from builder.components.toolchain import c_toolchain
from builder.images.compose import Request
from builder.images.description import load_description
from builder.oci import Image
from builder.pipeline.kubernetes import gathered
from builder.pipeline.model import BuildOptions, Plan
from builder.project import Project
from builder.provenance.model import Contents, Fitted, Parts
from builder.recipe.model import Role
from builder.spec.decide import decide
from builder.spec.model import ImageSpec
from builder.spec.needs import Needs
from builder.store import Store

# The image of the recipe's files that are no texts.
FILES_IMAGE = "docker.io/kubeiso/recipe-files:1"


def contents(project: Project, plan: Plan, lock: Lock) -> dict[str, Contents]:
    """Every folder of the plan, read. Raises InputError for a description with mistakes and for packages without pins."""
    described = {name: load_description(project.pkg / name) for name in plan.folders}
    return {
        name: Contents(each, tuple(pinned(name, lock, each.packages)) if each.packages else ())
        for name, each in described.items()
    }


def component_names(folders: Iterable[Contents], store_tool: str) -> tuple[str, ...]:
    named = {name for folder in folders for name in folder.description.components}
    return tuple(sorted({*named, INITRD, *([store_tool] if store_tool else [])}))


def find_components(
    project: Project, plan: Plan, names: Iterable[str], store: Store, options: BuildOptions
) -> dict[str, Component]:
    def get(name: str) -> Component:
        return find(
            name, store, project, options.overrides, offline=options.offline, source=options.source, target=plan.target
        )  # fmt: skip

    return gathered(project, plan, soonest_told(names, project, plan.pins), store, get)


def fetch_packages(folders: Mapping[str, Contents], lock: Lock, store: Store, *, offline: bool) -> None:
    for name, folder in folders.items():
        if folder.packages:
            debs(name, lock, store, offline=offline)


def requests(project: Project, folders: Mapping[str, Contents], components: Mapping[str, Component]) -> list[Request]:
    """An image to compose for each folder."""
    return [
        Request(name, project.pkg / name, folder.description, components, tuple(package.sha256 for package in folder.packages))
        for name, folder in folders.items()
    ]


def c_parts(project: Project, components: Iterable[Component], kubernetes: str) -> dict[str, tuple[str, ...]]:
    """What of C is linked into the components that were built here."""
    found = {}
    for component in components:
        section = describe(component.name, project, kubernetes).section(Golang.name, Section)
        if section and section.cgo and component.source.startswith(Golang.name):
            found[component.name] = tuple(c_toolchain(section.libraries))
    return found


def carried(
    plan: Plan, role: Role, images: Mapping[str, Image], fitted: Fitted, held: Iterable[Image]
) -> tuple[str, list[Image]]:  # fmt: skip
    """The name of the image that holds the pods' images unpacked, and those."""
    inside = [images[name] for name in plan.needs[role].containers]
    return f"docker.io/kubeiso/images-{role.value}:1", [*inside, *fitted.more, *held]


def decided(
    plan: Plan,
    role: Role,
    images: Mapping[str, Image],
    image_store: Image,
    fitted: Fitted,
    files_image: Image | None,
    held: Iterable[Image],
) -> ImageSpec:
    """The image spec of one role."""
    spec = decide(
        plan.recipe, role, plan.runtime, plan.network, plan.needs[role], images, image_store, fitted.kubernetes, plan.files,
        console_login=plan.console_login, files_image=files_image,
    )  # fmt: skip
    return spec.model_copy(update={"container_images": (*spec.container_images, *(image.reference for image in held))})


def of_role(parts: Parts, need: Needs, carried: Iterable[str]) -> Parts:
    """Those of the parts that one role's media are made of: so a record of it does not depend on what else was built.

    carried: folders of pkg/ whose files the media carry themselves.
    """
    folders = sorted({*need.node, *need.containers, *carried})
    chosen = {name: parts.contents[name] for name in folders}
    names = component_names(chosen.values(), parts.store_tool)
    return Parts(
        components={name: parts.components[name] for name in names},
        images={name: parts.images[name] for name in folders},
        contents=chosen,
        c_parts={name: parts.c_parts[name] for name in names if name in parts.c_parts},
        store_tool=parts.store_tool,
        suite=parts.suite,
        lock=parts.lock,
        kubernetes=parts.kubernetes,
        held=parts.held,
    )
