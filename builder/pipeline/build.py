"""From a plan to media."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from builder.aside import file_set
from builder.assembly.choose import choose
from builder.assembly.references import is_whole
from builder.components.debian import load_lock
from builder.components.model import INITRD
from builder.images import held
from builder.images.compose import compose_all
from builder.images.files import files_image
from builder.images.stores.protocol import ImageStore
from builder.images.stores.registry import image_store
from builder.linuxkit.emit import document
from builder.media.make import make_medium
from builder.media.model import BILL, Maker, MediaRequest
from builder.oci import Image
from builder.pipeline.formats import chosen, programs
from builder.pipeline.kubernetes import fitted
from builder.pipeline.linking import check_linked
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.parts import (
    FILES_IMAGE,
    c_parts,
    carried,
    component_names,
    contents,
    decided,
    fetch_packages,
    find_components,
    of_role,
    requests,
)
from builder.pipeline.prepared import prepared
from builder.progress import step
from builder.project import Project
from builder.provenance.model import Built, Node, Parts
from builder.provenance.record import FOR_THE_MAKER, embedded, node_bill, write_beside
from builder.recipe.model import Role
from builder.spec.model import NOTHING
from builder.store import Digest, Store, file_digest
from builder.trust.signing import PASSWORD, sign


def build(project: Project, plan: Plan, store: Store, out: Path, options: BuildOptions) -> list[Built]:
    """Media for every role of the plan, under `out`; what else lies there stays."""
    wanted = chosen(plan, options)
    made = parts(project, plan, store, options)
    return [built for role in plan.needs for built in build_role(plan, role, made, store, out, options, wanted)]


def parts(project: Project, plan: Plan, store: Store, options: BuildOptions) -> Parts:
    """Components found, packages fetched, images composed."""
    for each in plan.foreign:
        if not is_whole(store, each.name):
            held.bring(each, store, plan.target.platform, offline=options.offline)
    lock, pins = load_lock(project.lock), file_digest(project.lock)
    folders = contents(project, plan, lock)
    store_tool, _ = image_store(plan.runtime.image_store).tool or ("", "")
    others = tuple(held.bring(each, store, plan.target.platform, offline=options.offline) for each in plan.held)
    found = find_components(project, plan, component_names(folders.values(), store_tool), store, options)
    fetch_packages(folders, lock, store, offline=options.offline)
    images = compose_all(requests(project, folders, found), store)
    check_linked(found, folders, images, store)
    kubernetes = fitted(plan, found, images, store)
    c_linked = c_parts(project, found.values(), plan.target.kubernetes)
    return Parts(found, images, folders, c_linked, store_tool, lock.suite, pins, kubernetes, others)


def build_role(
    plan: Plan, role: Role, parts: Parts, store: Store, out: Path, options: BuildOptions, formats: Iterable[Maker]
) -> list[Built]:
    """One role's media, each with the files that belong beside it; the root tree is assembled once."""
    pods = image_store(plan.runtime.image_store)
    tool = store.path(parts.components[pods.tool[0]].files[pods.tool[1]]) if pods.tool else None
    carrier = pods.make(*carried(plan, role, parts.images, parts.kubernetes, parts.held), tool, store)
    files = files_image(FILES_IMAGE, plan.files.binaries, store) if plan.files.binaries else None
    spec = decided(plan, role, parts.images, carrier, parts.kubernetes, files, parts.held)
    yaml = document(spec)
    out.mkdir(parents=True, exist_ok=True)
    stem = stem_of(plan, role)
    request = MediaRequest(
        parts.components[INITRD].files["initrd"], spec.label, changing=changing(parts, pods, carrier, store),
        platform=plan.target.platform,
    )  # fmt: skip
    with step(f"Preparing {stem}"):
        root, ready = prepared(choose(options.assembler), yaml, request, store)
    own, made = of_role(parts, plan.needs[role], plan.carried), []
    bill = node_bill(Node(spec, yaml, carrier), own, store, stem)
    notes = {BILL: store.put(embedded(bill, stem, spec.id))}
    ready = replace(
        ready, disk=plan.recipe.media.disk << 20, secure=options.secure, notes=notes, programs=programs(plan, parts.images, store)
    )
    for maker in formats:
        name = maker.name(stem)
        with step(f"Making {name}"), file_set(out, name) as aside:
            media = replace(make_medium(maker, ready, store, aside / name), path=out / name)
            made.append(Built(role, spec, yaml, carrier, root, media, maker))
            write_beside(made[-1], bill, own, store, aside, stem)
            if options.sign:
                sign(public_files(aside), options.sign, os.environ.get(PASSWORD, ""))
    return made


def public_files(folder: Path) -> list[Path]:
    """What whoever gets the medium may have."""
    return sorted(path for path in folder.iterdir() if not path.name.endswith(FOR_THE_MAKER))


def changing(parts: Parts, pods: ImageStore, carrier: Image, store: Store) -> tuple[Digest, ...]:
    """The programs that a developer builds again and again, and what names the images with them; else nothing."""
    own = [part.files[file] for part in parts.components.values() for file in part.own]
    return tuple(sorted([*own, *pods.changing(carrier, store)])) if own else ()


def stem_of(plan: Plan, role: Role) -> str:
    """Results of test builds have a name of their own: nobody should ship an image with an open console."""
    kinds = (("-console", plan.console_login), (f"-{plan.extra.name}", plan.extra != NOTHING))
    return f"kubeiso-{plan.recipe_path.stem}-{role.value}{''.join(kind for kind, chosen in kinds if chosen)}"
