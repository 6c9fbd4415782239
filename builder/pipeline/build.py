"""From a plan to media."""

import json
from collections.abc import Iterable
from pathlib import Path

from builder.assembly.choose import choose
from builder.components.debian import debs, load_lock
from builder.components.model import Component
from builder.components.registry import find
from builder.images.compose import Request, compose_all
from builder.images.containerd import containerd_store
from builder.images.description import load_description
from builder.images.model import ImageDescription
from builder.linuxkit.emit import document
from builder.media.iso import make_iso
from builder.media.model import MediaRequest
from builder.pipeline.model import BuildOptions, Built, Parts, Plan
from builder.progress import step
from builder.project import Project
from builder.recipe.model import Role
from builder.spec.decide import decide
from builder.spec.model import ImageSpec
from builder.store import Store

# Components that the build itself runs or places, beside those that images name.
INITRD, IMAGE_STORE = "initrd", "image-store"


def build(project: Project, plan: Plan, store: Store, out: Path, options: BuildOptions) -> list[Built]:
    """Media for every role of the plan, under `out`."""
    made = parts(project, plan, store, options)
    return [build_role(plan, role, made, store, out, options) for role in plan.needs]


def parts(project: Project, plan: Plan, store: Store, options: BuildOptions) -> Parts:
    """Components found, packages fetched, images composed."""
    described = {name: load_description(project.pkg / name) for name in plan.folders}
    found = find_components(project, wanted_components(described.values()), store, options)
    lock = load_lock(project.lock)
    requests = [
        Request(name, project.pkg / name, description, found, tuple(debs(name, lock, store, offline=options.offline)))
        if description.packages
        else Request(name, project.pkg / name, description, found, ())
        for name, description in described.items()
    ]
    return Parts(found, compose_all(requests, store))


def wanted_components(descriptions: Iterable[ImageDescription]) -> tuple[str, ...]:
    named = {name for description in descriptions for name in description.components}
    return tuple(sorted({*named, INITRD, IMAGE_STORE}))


def find_components(project: Project, names: Iterable[str], store: Store, options: BuildOptions) -> dict[str, Component]:
    return {name: find(name, store, project, options.overrides, offline=options.offline) for name in names}


def build_role(plan: Plan, role: Role, parts: Parts, store: Store, out: Path, options: BuildOptions) -> Built:
    """One role's ISO with the files that belong beside it."""
    spec = decided(plan, role, parts, store)
    yaml = document(spec)
    with step(f"Assembling the {role.value}'s root tree"):
        root = choose(options.assembler).assemble(yaml, store)
    out.mkdir(parents=True, exist_ok=True)
    stem = stem_of(plan, role)
    with step(f"Making {stem}.iso"):
        request = MediaRequest(root.digest, parts.components[INITRD].files["initrd"], spec.label)
        media = make_iso(request, store, out / f"{stem}.iso")
    built = Built(role, spec, yaml, root.assembler, media)
    _write_beside(built, parts, out, stem)
    return built


def stem_of(plan: Plan, role: Role) -> str:
    """Results of test builds have a name of their own: nobody should ship an image with an open console."""
    return f"kubeiso-{plan.recipe_path.stem}-{role.value}{'-console' if plan.console_login else ''}"


def decided(plan: Plan, role: Role, parts: Parts, store: Store) -> ImageSpec:
    """The image spec of one role; the node's container image store is filled on the way."""
    need = plan.needs[role]
    tool = store.path(parts.components[IMAGE_STORE].files["image-store"])
    carried = [parts.images[name] for name in need.containers]
    image_store = containerd_store(f"docker.io/kubeiso/images-{role.value}:1", carried, tool, store)
    return decide(
        plan.recipe, role, plan.runtime, plan.network, need, parts.images, image_store,
        folder=plan.recipe_path.parent, console_login=plan.console_login,
    )  # fmt: skip


def _write_beside(built: Built, parts: Parts, out: Path, stem: str) -> None:
    """The YAML, the checksum and the build record."""
    media = built.media
    record = {
        "id": built.spec.id,
        "spec": built.spec.model_dump(mode="json"),
        "assembler": built.assembler,
        "medium": {"file": media.path.name, "sha256": media.sha256, "size": media.size, "label": media.label},
        "components": {name: part.model_dump(mode="json") for name, part in sorted(parts.components.items())},
        "images": {name: image.model_dump(mode="json") for name, image in sorted(parts.images.items())},
    }
    _replace(out / f"{stem}.yml", built.document.to_yaml())
    _replace(out / f"{stem}.iso.sha256", f"{media.sha256.removeprefix('sha256:')}  {media.path.name}\n")
    _replace(out / f"{stem}.build.json", json.dumps(record, indent=1, sort_keys=True) + "\n")


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text)
    aside.replace(path)
