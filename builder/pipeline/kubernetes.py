"""A developer's own build of Kubernetes among the parts of a node, and what its kubeadm makes of the images there are."""

from collections.abc import Callable, Iterable, Mapping

from builder.components.description import describe, minor, minors, names, versions
from builder.components.kubernetes import NAME, OPTION, Own, ask, images_of
from builder.components.kubernetes import own_programs as programs_in
from builder.components.model import Component
from builder.components.registry import files_of
from builder.errors import InputError
from builder.oci import Image
from builder.pipeline.model import BuildOptions, OwnPrograms, Plan
from builder.progress import note, warn
from builder.project import Project
from builder.provenance.model import Fitted
from builder.recipe.model import Recipe, Role
from builder.references import split
from builder.spec.descriptions import expected
from builder.spec.model import Kubernetes
from builder.spec.versions import unsupported
from builder.store import Store

API_SERVER = "kube-apiserver"
# Of what kubeadm deploys besides Kubernetes itself: the tag is kubeadm's to choose, or its configuration's.
CONFIGURED = ("coredns", "etcd")
# kubeadm's configuration has no tag for it: the image goes by the name that is asked for, too.
RENAMED = "pause"


def own_programs(project: Project, options: BuildOptions) -> OwnPrograms:
    """The programs in the developer's folder; none without one. Raises InputError for a folder that can't be used."""
    if options.kubernetes_dir is None:
        return {}
    if both := [key for key in options.overrides if key.partition("/")[0] == NAME]:
        raise InputError(f"{OPTION} and --component {both[0]} are given together", hint="give one of them")
    return programs_in(options.kubernetes_dir, files_of(NAME, project))


def chosen_version(project: Project, wanted: str | None) -> str:
    """The version that a recipe means: a minor is the newest of it that has pins, and None the newest that is a default.

    What has no pins stays as it is.
    """
    if NAME not in names(project):
        return wanted or newest_version(project)
    pinned = {minor(version): version for version in versions(NAME, project)}
    if wanted is None:
        defaults = [version for version in pinned.values() if _is_default(project, version)]
        return (defaults or list(pinned.values()))[-1]
    return pinned.get(wanted, wanted)


def _is_default(project: Project, version: str) -> bool:
    asked = expected(project, version)
    return asked is None or asked.default


def newest_version(project: Project) -> str:
    """The newest Kubernetes that has pins; "0.0.0" in a project that has none at all."""
    return versions(NAME, project)[-1] if NAME in names(project) else "0.0.0"


def pins_for(project: Project, wanted: str) -> str:
    """The version whose pins are taken: the wanted one, or for a developer's own build of another minor version the newest."""
    found = minors(NAME, project)
    return wanted if minor(wanted) in found or not found else newest_version(project)


def check_version(project: Project, recipe: Recipe, own: OwnPrograms) -> None:
    """Raises InputError for a recipe that asks for a Kubernetes without pins; with own programs they decide."""
    if own or NAME not in names(project):
        return
    wanted, pinned = recipe.kubernetes.version, versions(NAME, project)
    if wanted not in pinned:
        hint = f"kubernetes: {{version: {pinned[-1]}}}   (or your own build of {wanted}: {OPTION} DIR)"
        raise InputError(f"the recipe asks for Kubernetes {wanted}, and pkg/{NAME} has {', '.join(pinned)}", hint=hint)


def gathered(
    project: Project, plan: Plan, wanted: Iterable[str], store: Store, get: Callable[[str], Component]
) -> dict[str, Component]:
    """Each component by `get`, Kubernetes with the developer's own programs in it; those that it lacks are the pinned release's.

    Raises InputError for programs that do not tell a version, and for versions that Kubernetes does not support together.
    """
    if not plan.own:
        return {name: get(name) for name in wanted}
    pins = describe(NAME, project, plan.pins)
    own, files = ask(plan.own, store), files_of(NAME, project, pins.version)
    version = _version(own, files, pins.version)
    found = {name: get(name) for name in wanted if name != NAME or set(files) - set(own.files)}
    return {**found, NAME: own.component(version, found.get(NAME))}


def _version(own: Own, files: Iterable[str], pinned: str) -> str:
    """The version of the cluster: its API server's."""
    versions = {file: own.versions.get(file, pinned) for file in files}
    version = versions.pop(API_SERVER, pinned)
    if mistakes := unsupported(version, versions):
        lacking = sorted({API_SERVER, *versions} - set(own.versions))
        hint = f'build those of the same source too: make WHAT="{" ".join(f"cmd/{name}" for name in lacking)}"' if lacking else ""
        raise InputError(
            f"{OPTION}: Kubernetes does not support these versions together", details=mistakes,
            why=f"what is not in the folder is v{pinned}" if lacking else "", hint=hint or "build all of the same source",
        )  # fmt: skip
    others = set(files) - set(own.files)
    note(f"Kubernetes v{version} with your own {_told(own.versions)}" + (f"; the other programs are v{pinned}" if others else ""))
    return version


def _told(versions: Mapping[str, str]) -> str:
    """kube-proxy, kubelet (v1.36.4), kubeadm (v1.36.5)"""
    same = {version: [name for name in sorted(versions) if versions[name] == version] for version in sorted(versions.values())}
    return ", ".join(f"{', '.join(names)} (v{version})" for version, names in same.items())


def fitted(plan: Plan, components: Mapping[str, Component], images: Mapping[str, Image], store: Store) -> Fitted:
    """How what the images are called and what kubeadm asks for go together.

    A developer's own build is asked; what the pinned kubeadm has is in its pins.
    """
    found = components.get(NAME)
    if found is None or not found.own or "kubeadm" not in found.files:
        return _pinned(plan, found.version if found else plan.pins, images)
    ours = {split(image.name).repository: (folder, image) for folder, image in images.items()}
    tags, more = {}, []
    for wanted in images_of(found.files["kubeadm"], found.version, store):
        asked = split(wanted)
        folder, image = ours.get(asked.repository, ("", None))
        if image is not None and image.name == wanted:
            continue
        if image is not None and folder in CONFIGURED:
            tags[folder] = split(image.name).tag
            warn(
                f"this kubeadm would take {folder} {asked.tag}; the node has {tags[folder]}, and kubeadm's configuration says so"
            )
        elif image is not None and folder == RENAMED:
            more.append(Image(name=wanted, digest=image.digest))
        elif Role.MASTER in plan.needs:
            warn(f"this kubeadm asks for {wanted}, which the node does not have")
    return Fitted(Kubernetes(version=found.version, image_tags=tags), tuple(more))


def _pinned(plan: Plan, version: str, images: Mapping[str, Image]) -> Fitted:
    """Of a minor version whose kubeadm would choose others than the node has, its configuration names the node's."""
    wanted = plan.expected.references() if plan.expected else {}
    others = {folder: name for folder, name in wanted.items() if folder in images and images[folder].name != name}
    tags = {folder: split(images[folder].name).tag for folder in others if folder in CONFIGURED}
    more = tuple(Image(name=name, digest=images[folder].digest) for folder, name in others.items() if folder == RENAMED)
    return Fitted(Kubernetes(version=version, image_tags=tags), more)
