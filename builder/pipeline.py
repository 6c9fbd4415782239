"""The build, from a recipe to media: it reads as a table of contents."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from builder import components, images
from builder.assembly.choose import choose
from builder.components.model import Component, Lock
from builder.errors import InputError
from builder.images.model import ImageDescription
from builder.linuxkit.emit import document
from builder.linuxkit.model import Document
from builder.media.iso import make_iso
from builder.media.model import Media, MediaRequest
from builder.oci import Image
from builder.progress import step
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Recipe, Role
from builder.spec.decide import decide
from builder.spec.descriptions import pod_network, runtime
from builder.spec.model import ImageSpec, PodNetwork, Runtime
from builder.spec.needs import Needs, needs
from builder.store import Store

# Components that the build itself runs or places, beside those that images name.
INITRD, IMAGE_STORE = "initrd", "image-store"


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


@dataclass(frozen=True)
class Parts:
    """Everything that images are made of, in the store."""

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


def plan(project: Project, recipe_path: Path, roles: Iterable[Role] | None, options: BuildOptions) -> Plan:
    """Reads and checks all that the author wrote; nothing is fetched or built."""
    recipe = load_recipe(recipe_path, project.root, options.values)
    wanted = tuple(roles) if roles is not None else recipe.roles
    if missing := [role.value for role in wanted if role not in recipe.roles]:
        raise InputError(f"{recipe_path.name} has no role {', '.join(missing)}", hint="add it to `roles` in the recipe")
    chosen, network = runtime(project.root, recipe.runtime), pod_network(project.root, recipe.network.cni)
    need = {role: needs(recipe, role, chosen, network, console_login=options.console_login) for role in wanted}
    return Plan(recipe, recipe_path, chosen, network, need, options.console_login)


def folders(plan: Plan) -> tuple[str, ...]:
    """Every folder of pkg/ that the plan makes an image of."""
    return tuple(sorted({name for need in plan.needs.values() for name in (*need.node, *need.containers)}))


def parts(project: Project, plan: Plan, store: Store, options: BuildOptions) -> Parts:
    """Components found, images composed."""
    described = {name: images.load_description(project.pkg / name) for name in folders(plan)}
    found = find_components(project, wanted_components(described.values()), store, options)
    lock = components.load_lock(project.lock)
    with step("Composing images", total=len(described), unit="images") as work, ThreadPoolExecutor(2) as pool:

        def one(name: str) -> Image:
            image = compose(project, name, described[name], found, lock, store, options)
            work.advance(1, name)
            return image

        made = dict(zip(described, pool.map(one, described), strict=True))
    return Parts(found, made)


def wanted_components(descriptions: Iterable[ImageDescription]) -> tuple[str, ...]:
    named = {name for description in descriptions for name in description.components}
    return tuple(sorted({*named, INITRD, IMAGE_STORE}))


def find_components(project: Project, names: Iterable[str], store: Store, options: BuildOptions) -> dict[str, Component]:
    return {name: components.find(name, store, project, options.overrides, offline=options.offline) for name in names}


def compose(
    project: Project,
    name: str,
    description: ImageDescription,
    found: Mapping[str, Component],
    lock: Lock,
    store: Store,
    options: BuildOptions,
) -> Image:
    debs = components.debs(name, lock, store, offline=options.offline) if description.packages else []
    return images.compose(name, project.pkg / name, description, found, debs, store)


def decided(plan: Plan, role: Role, parts: Parts, store: Store) -> ImageSpec:
    """The image spec of one role; fills the node's container image store on the way."""
    need = plan.needs[role]
    tool = store.path(parts.components[IMAGE_STORE].files["image-store"])
    with step(f"Filling the image store of the {role.value}"):
        carried = [parts.images[name] for name in need.containers]
        image_store = images.containerd_store(f"docker.io/kubeiso/images-{role.value}:1", carried, tool, store)
    return decide(
        plan.recipe, role, plan.runtime, plan.network, need, parts.images, image_store,
        folder=plan.recipe_path.parent, console_login=plan.console_login,
    )  # fmt: skip


def build(project: Project, plan: Plan, store: Store, out: Path, options: BuildOptions) -> list[Built]:
    """Media for every role of the plan, under `out`."""
    made = parts(project, plan, store, options)
    return [_build_role(plan, role, made, store, out, options) for role in plan.needs]


def _build_role(plan: Plan, role: Role, parts: Parts, store: Store, out: Path, options: BuildOptions) -> Built:
    spec = decided(plan, role, parts, store)
    yaml = document(spec)
    with step(f"Assembling the {role.value}'s root tree"):
        root = choose(options.assembler).assemble(yaml, store)
    out.mkdir(parents=True, exist_ok=True)
    stem = f"kubeiso-{plan.recipe_path.stem}-{role.value}"
    with step(f"Making {stem}.iso"):
        program = parts.components[INITRD].files["initrd"]
        media = make_iso(MediaRequest(root.digest, program, spec.label), store, out / f"{stem}.iso")
    built = Built(role, spec, yaml, root.assembler, media)
    _record(built, parts, out / stem)
    return built


def _record(built: Built, parts: Parts, stem: Path) -> None:
    """The YAML, the checksum and the build record beside the medium."""
    _replace(stem.with_name(stem.name + ".yml"), built.document.to_yaml())
    digest = built.media.sha256.removeprefix("sha256:")
    _replace(stem.with_name(stem.name + ".iso.sha256"), f"{digest}  {built.media.path.name}\n")
    record = {
        "spec": built.spec.model_dump(mode="json"),
        "id": built.spec.id,
        "assembler": built.assembler,
        "medium": {
            "file": built.media.path.name,
            "sha256": built.media.sha256,
            "size": built.media.size,
            "label": built.media.label,
        },
        "components": {name: part.model_dump(mode="json") for name, part in sorted(parts.components.items())},
        "images": {name: image.model_dump(mode="json") for name, image in sorted(parts.images.items())},
    }
    _replace(stem.with_name(stem.name + ".build.json"), json.dumps(record, indent=1, sort_keys=True) + "\n")


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text)
    aside.replace(path)


def read_lock(project: Project) -> Lock:
    return components.load_lock(project.lock)


def update_lock(project: Project, store: Store) -> Lock:
    """Resolves the packages of every folder of pkg/ anew and writes components.lock."""
    wanted = {}
    for path in sorted(project.pkg.glob("*/image.yml")):
        description = images.load_description(path.parent)
        if description.packages:
            wanted[path.parent.name] = (description.packages, description.without)
    lock = components.update_lock(wanted, read_lock(project).suite if project.lock.exists() else "trixie", store)
    components.save_lock(lock, project.lock)
    return lock
