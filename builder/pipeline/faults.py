"""What is wrong with a recipe that its file alone does not show: each rule looks at a node as it is decided."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from builder.architecture import platform
from builder.assembly.containers import config_json, identifiers, runtime_json, settings_of
from builder.components.debian import load_lock, pinned
from builder.components.model import Lock
from builder.errors import InputError, KubeisoError
from builder.images.held import looked_up
from builder.images.model import HeldImage, ImageDescription
from builder.linuxkit.emit import document
from builder.linuxkit.model import Document
from builder.media.grub import words
from builder.media.make import MAKERS
from builder.oci import Process
from builder.pipeline.kubernetes import check_version, pins_for
from builder.pipeline.model import OwnPrograms
from builder.project import Project
from builder.reading.mistake import Mistake, Place
from builder.reading.tree import Tree
from builder.reading.words import did_you_mean, one_of, shown
from builder.recipe.model import Recipe
from builder.spec import fields, hardening
from builder.spec.files import misplaced, unread
from builder.spec.model import Addition, Handler, ImageSpec, PodNetwork
from builder.spec.needs import Needs
from builder.spec.root import Root

MENU_ADDS = len(" ignore_loglevel")  # what the second entry of the boot menu has besides


@dataclass(frozen=True)
class Case:
    """A recipe and the nodes that it makes, its images by name alone.

    places: of the entries of `files` and `services`, their numbers in the file. specs: one for each role that has what it needs.
    needs: with all that any build of the recipe may have. described: the folders of pkg/ that are images.
    """

    project: Project
    tree: Tree
    recipe: Recipe
    places: Mapping[str, list[int]]
    root: Root
    needs: tuple[Needs, ...]
    specs: tuple[ImageSpec, ...]
    described: Mapping[str, ImageDescription]
    own: OwnPrograms
    handlers: Mapping[str, Handler]
    additions: Mapping[str, Mapping[str, Addition]]
    cri: tuple[str, ...]  # what can speak CRI for the recipe's runtime
    network: PodNetwork
    held: tuple[HeldImage, ...]

    @cached_property
    def lock(self) -> Lock | None:
        """The project's pins, where it has any."""
        return load_lock(self.project.lock) if self.project.lock.exists() else None

    def mistake(self, path: Place, message: str, hint: str = "", *, key: bool = False) -> Mistake:
        """The path is that of the Recipe; the mistake's is that of the file."""
        if len(path) > 1 and path[0] in self.places and isinstance(path[1], int):
            path = (path[0], self.places[str(path[0])][path[1]], *path[2:])
        return self.tree.mistake(path, message, hint, key=key)


Rule = Callable[[Case], Iterator[Mistake]]


def version(case: Case) -> Iterator[Mistake]:
    """The Kubernetes that the recipe asks for can be had."""
    try:
        check_version(case.project, case.recipe, case.own)
    except InputError as error:
        yield case.mistake(("kubernetes", "version"), error.what, error.hint)


def configurations(case: Case) -> Iterator[Mistake]:
    """Kubernetes has the fields that the recipe sets, in the version that the nodes have."""
    for kind, given in case.recipe.configurations().items():
        if not given:
            continue
        home: Place = ("kubelet",) if kind == "KubeletConfiguration" else ("kubeadm", kind)
        types = fields.known(case.project, pins_for(case.project, case.recipe.kubernetes.version or ""))
        if types is None:
            yield case.mistake(home, f"the pins of Kubernetes {case.recipe.kubernetes.version} don't say which fields it has")
            continue
        for path, message, hint, key in fields.faults(types, kind, given):
            yield case.mistake((*home, *path), message, hint, key=key)


def kernel_defaults(case: Case) -> Iterator[Mistake]:
    """No kubelet that wants a value of the kernel's finds another."""
    if case.recipe.kubelet.get("protectKernelDefaults") is False:
        return
    for key, value in case.recipe.kernel.sysctl.items():
        wanted = hardening.KERNEL_DEFAULTS.get(key.replace("/", "."))
        if wanted is not None and value.strip() != wanted:
            message = f"the kubelet does not start with this: it wants {wanted}"
            yield case.mistake(
                ("kernel", "sysctl", key), message, "leave it out, or write kubelet: {protectKernelDefaults: false}"
            )


def pins(case: Case) -> Iterator[Mistake]:
    """The pinned packages are for the nodes' platform."""
    pinned, wanted = case.lock.platform if case.lock else "", case.recipe.platform
    if pinned and pinned != wanted:
        yield case.mistake(("platform",), f"{case.project.lock.name} has the packages for {pinned}", f"platform: {pinned}")


def handlers(case: Case) -> Iterator[Mistake]:
    """Each works with the recipe's runtime."""
    for number, name in enumerate(case.recipe.handlers):
        works = sorted(case.handlers[name].runtimes)
        if case.recipe.runtime not in works:
            message = f"{name} does not work with the runtime {case.recipe.runtime}"
            yield case.mistake(("handlers", number), message, f"it works with {', '.join(works)}")


def additions(case: Case) -> Iterator[Mistake]:
    """Each has beside it what it is of no use without."""
    for key, described in case.additions.items():
        for number, (name, addition) in enumerate(described.items()):
            for need in addition.needs:
                if need not in described:
                    yield case.mistake((key, number), f"{name} is of no use without {need}", f"add {need}")


def cri(case: Case) -> Iterator[Mistake]:
    """What shall speak CRI for the runtime can do so."""
    if case.recipe.cri is not None and case.recipe.cri not in case.cri:
        told = one_of(case.recipe.cri, case.cri) if case.cri else f"{case.recipe.runtime} speaks CRI itself: leave it out"
        yield case.mistake(("cri",), f"{case.recipe.cri} does not speak CRI for {case.recipe.runtime}", told)


def policies(case: Case) -> Iterator[Mistake]:
    """Something can enforce the policies that shall be enforced."""
    if case.recipe.network.policies and not case.network.policies:
        message = f"nothing is described that enforces NetworkPolicy for the pod network {case.recipe.network.cni}"
        yield case.mistake(
            ("network", "policies"), message, "leave it out, or name it in the network's description: policies: NAME"
        )


def files(case: Case) -> Iterator[Mistake]:
    """Each file can be where it is wanted, and is seen there."""
    for index, message, hint in (*misplaced(case.recipe.files, case.root), *unread(case.recipe.files)):
        yield case.mistake(("files", index, "path"), message, hint)


def service_names(case: Case) -> Iterator[Mistake]:
    """A service has a name of its own, or is one of the node's own with other settings."""
    ours = {name for need in case.needs for name in need.own_services}
    for index, service in enumerate(case.recipe.services):
        if service.name == service.image:
            continue
        if service.image in ours:
            message = f"{service.image} is one of the node's own services, which others find by its name"
            yield case.mistake(("services", index, "name"), message, f"name: {service.image}")
        elif service.name in ours:
            hint = f"choose another name; `replace` gives it another image, a service with image: {service.name} other settings"
            yield case.mistake(("services", index, "name"), f"the node has a service {shown(service.name)} of its own", hint)


def idle_services(case: Case) -> Iterator[Mistake]:
    """Something runs in a service: what its image says, or the recipe."""
    ours = {name for need in case.needs for name in (need.kernel, *need.init, *need.own_services)}
    for index, service in enumerate(case.recipe.services):
        described = case.described.get(service.image)
        if not described or service.image in ours or described.entrypoint or described.cmd:
            continue
        if not any(settings.model_dump(by_alias=True).get("command") for settings in (described.linuxkit, service.linuxkit)):
            message = f"the image {service.image} has nothing to run"
            yield case.mistake(("services", index, "image"), message, "say what: linuxkit: {command: [PROGRAM, ...]}")


def firmware_images(case: Case) -> Iterator[Mistake]:
    """They are files alone."""
    for number, name in enumerate(case.recipe.firmware.images):
        described = case.described.get(name)
        if described and (described.entrypoint or described.cmd or described.kernel):
            yield case.mistake(("firmware", "images", number), f"{name} is an image with a program to run, not files alone")


def packages(case: Case) -> Iterator[Mistake]:
    """What a recipe adds of pkg/ is made of packages that are pinned."""
    added: list[tuple[Place, str]] = [
        (("firmware", "images", number), name) for number, name in enumerate(case.recipe.firmware.images)
    ]
    added += [(("services", number, "image"), service.image) for number, service in enumerate(case.recipe.services)]
    for place, name in added:
        if case.lock and (described := case.described.get(name)) and described.packages:
            try:
                pinned(name, case.lock, described.packages)
            except InputError as error:
                yield case.mistake(place, "; ".join([error.what, *error.details]), error.hint)


def held_images(case: Case) -> Iterator[Mistake]:
    """Each file or folder of images has the one that is meant."""
    for number, image in enumerate(case.held):
        if image.source and image.source.exists():
            try:
                looked_up(image)
            except InputError as error:
                yield case.mistake(("images", number, "source"), f"{error.what}: {error.why}", error.hint)


def service_images(case: Case) -> Iterator[Mistake]:
    """A service's image is not one that LinuxKit's kernel or init section is made of."""
    other = {name for need in case.needs for name in (need.kernel, *need.init)}
    for index, service in enumerate(case.recipe.services):
        if service.image in other:
            yield case.mistake(
                ("services", index, "image"), f"{shown(service.image)} is a part of the node's root, not a service"
            )


def services(case: Case) -> Iterator[Mistake]:
    """LinuxKit can make a container of each service's settings."""
    for made in (document(spec) for spec in case.specs[:1]):
        ids = identifiers(made)
        for index, service in enumerate(case.recipe.services):
            for entry in (each for each in made.services or [] if each.name == service.name):
                if message := _refused(made, entry.name, ids):
                    yield case.mistake(("services", index, "linuxkit"), message)


def _refused(made: Document, name: str, ids: Mapping[str, int]) -> str:
    """Why no container can be made of the service; "" where one can."""
    entry = next(each for each in made.services or [] if each.name == name)
    try:
        settings = settings_of(entry, Process(), {}, "")
        config_json(settings, Process(), ids)
        runtime_json(settings, [])
    except InputError as error:
        return error.what.removeprefix(": ")
    return ""


def replaced(case: Case) -> Iterator[Mistake]:
    """What is replaced is in a node: not an image for pods, and not one that no node of this recipe has."""
    used = {name for need in case.needs for name in need.node}
    for name in case.recipe.replace:
        if name in used or name not in case.described:
            continue
        pods = any(name in need.containers for need in case.needs)
        why = "it is an image for pods, whose names and contents go together" if pods else "no node of this recipe has it"
        yield case.mistake(("replace", name), f"has no effect: {why}", did_you_mean(name, used) if not pods else "", key=True)


def formats(case: Case) -> Iterator[Mistake]:
    """Somebody makes each format that the recipe names."""
    for number, name in enumerate(case.recipe.media.formats):
        if name not in MAKERS:
            yield case.mistake(("media", "formats", number), f"unknown format {name!r}", one_of(name, tuple(MAKERS)))


def command_line(case: Case) -> Iterator[Mistake]:
    """The boot loader and the kernel take the whole command line."""
    limit = platform(case.recipe.platform).command_line
    for spec in case.specs[:1]:
        for look in (words, *(MAKERS[name].refuse for name in case.recipe.media.formats if name in MAKERS)):
            try:
                look(spec.cmdline)
            except InputError as error:
                yield case.mistake(("kernel", "arguments"), error.what, error.hint)
        if (length := len(spec.cmdline.encode()) + MENU_ADDS) > limit:
            message = f"the kernel's command line has {length} bytes; the kernel takes {limit}"
            yield case.mistake(("kernel", "arguments"), message, "leave some out")


RULES: tuple[Rule, ...] = (
    version, configurations, kernel_defaults, pins, cri, handlers, additions, policies, files, service_names, service_images,
    idle_services, firmware_images, packages, held_images, services, replaced, formats, command_line,
)  # fmt: skip


def faults(case: Case) -> list[Mistake]:
    found: list[Mistake] = []
    for rule in RULES:
        try:
            found += rule(case)
        except KubeisoError as error:
            found.append(case.mistake((), error.what, error.hint))
    return found
