"""Everything that the author wrote, read and checked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.components.registry import check_overrides
from builder.errors import InputError
from builder.images.description import load_description
from builder.images.layer import folder_files
from builder.images.model import HeldImage, ImageDescription
from builder.images.stores.registry import names as image_stores
from builder.oci import Image
from builder.pipeline.advice import advice
from builder.pipeline.faults import Case, faults
from builder.pipeline.formats import asked
from builder.pipeline.kubernetes import chosen_version, own_programs, pins_for
from builder.pipeline.model import BuildOptions, OwnPrograms, Plan
from builder.progress import warn
from builder.project import Project
from builder.reading.mistake import Mistake, in_order
from builder.recipe.load import Examined, examine, wrong
from builder.recipe.model import Recipe, Role
from builder.spec.decide import decide, node_files
from builder.spec.descriptions import addition, expected, handler, pod_network, runtime, with_additions, with_handlers
from builder.spec.files import OwnFiles, own_files
from builder.spec.model import NOTHING, Extra, ImageSpec, Kubernetes, PodNetwork, Runtime
from builder.spec.needs import Needs, needs
from builder.spec.root import STATE_FILES, Root


@dataclass(frozen=True)
class Draft:
    """A recipe with what goes with it. described: the folders of pkg/ that are images."""

    recipe: Recipe
    folder: Path
    runtime: Runtime
    network: PodNetwork
    described: Mapping[str, ImageDescription]
    root: Root

    @property
    def version(self) -> str:
        """The recipe's version of Kubernetes, which with_version has filled in."""
        return self.recipe.kubernetes.version or ""

    def files(self) -> OwnFiles:
        return own_files(self.recipe.files, self.recipe.manifests, self.folder, self.root)

    def advice(self) -> Iterator[str]:
        both = [self.needs(role, console_login=False) for role in self.recipe.roles]
        carried = {self.described[name].image for need in both for name in need.containers if name in self.described}
        closed = {name for need in both for name in need.node}
        return advice(self.recipe, self.folder, self.network, carried, closed)

    def held(self) -> tuple[HeldImage, ...]:
        return tuple(
            HeldImage(name=each.name, source=self.folder / each.source if each.source else None) for each in self.recipe.images
        )

    def foreign(self) -> tuple[HeldImage, ...]:
        """Images of others that the node itself is made of: by their registries' digests."""
        named = dict.fromkeys((*self.recipe.replace.values(), *(service.image for service in self.recipe.services)))
        return tuple(HeldImage(name=reference, source=None) for reference in named if "@" in reference)

    def needs(self, role: Role, *, console_login: bool, extra: Extra = NOTHING) -> Needs:
        below = any(self.root.home(file).startswith(f"{STATE_FILES}/") for file in self.recipe.files)
        return needs(
            self.recipe, role, self.runtime, self.network,
            console_login=console_login, extra=extra, state_files=below,
        )  # fmt: skip


def plan(project: Project, recipe_path: Path, roles: Iterable[Role] | None, options: BuildOptions) -> Plan:
    """Reads the recipe and its descriptions; nothing is fetched or built. Raises InputError for each kind of mistake."""
    project.tell_own()
    check_overrides(options.overrides, project)
    own = own_programs(project, options)
    found = examine(recipe_path, project, options.values)
    made, mistakes = drafted(project, recipe_path, found, own)
    if made is None or mistakes:
        raise wrong(recipe_path, mistakes)
    wanted = tuple(roles) if roles is not None else made.recipe.roles
    if missing := [role.value for role in wanted if role not in made.recipe.roles]:
        raise InputError(f"{recipe_path.name} has no role {', '.join(missing)}", hint="add it to `roles` in the recipe")
    need = {role: made.needs(role, console_login=options.console_login, extra=options.extra) for role in wanted}
    _warn_of_replacements(made, need)
    pins = pins_for(project, made.version)
    told = expected(project, pins)
    return Plan(
        made.recipe,
        recipe_path,
        made.runtime,
        made.network,
        need,
        made.files(),
        told,
        pins,
        console_login=options.console_login,
        own=own,
        extra=options.extra,
        held=made.held(),
        foreign=made.foreign(),
        carried=tuple(sorted({folder for maker in asked(made.recipe, options) for folder in maker.folders})),
    )


def _warn_of_replacements(made: Draft, need: Mapping[Role, Needs]) -> None:
    used = {name for each in need.values() for name in each.node}
    for name in made.recipe.replace:
        if name not in used:
            warn(f"replace.{name} has no effect in this build: none of its nodes has {name}")


@dataclass(frozen=True)
class Judgement:
    """Every mistake of a recipe that can be known before a build, by line; and advice, where it has none."""

    mistakes: list[Mistake]
    advice: list[str]


def judged(project: Project, recipe_path: Path, values: Mapping[str, str]) -> Judgement:
    made, mistakes = drafted(project, recipe_path, examine(recipe_path, project, values), {})
    return Judgement(mistakes, list(made.advice()) if made and not mistakes else [])


def drafted(project: Project, path: Path, found: Examined, own: OwnPrograms) -> tuple[Draft | None, list[Mistake]]:
    """The recipe with what goes with it, as far as its mistakes let it be had, and all of them."""
    if found.recipe is None or found.tree is None:
        return None, found.mistakes
    recipe = with_version(found.recipe, project)
    try:
        handlers = {name: handler(project, name) for name in recipe.handlers}
        engine = runtime(project, recipe.runtime, image_stores())
        asked = {"storage": recipe.storage, "guest_tools": recipe.guest_tools}
        additions = {folder: {name: addition(project, folder, name) for name in names} for folder, names in asked.items()}
        added = [each for described in additions.values() for each in described.values()]
        chosen = with_additions(with_handlers(recipe.runtime, engine.spoken_for(recipe.cri), handlers.values()), added)
        network = pod_network(project, recipe.network.cni, policies=recipe.network.policies)
        described = described_images(project)
        made = Draft(recipe, path.parent, chosen, network, described, root_of(project, recipe, chosen, network, described))
    except InputError:
        if found.mistakes:  # they may be the cause
            return None, found.mistakes
        raise
    both = (True, False)
    wants = tuple(made.needs(role, console_login=console) for role in recipe.roles for console in both)
    specs = tuple(draft_spec(made, role) for role in recipe.roles)
    case = Case(
        project, found.tree, recipe, found.places, made.root, wants, specs, described, own, handlers, additions,
        tuple(engine.cri), network, made.held(),
    )  # fmt: skip
    told = {mistake.path for mistake in found.mistakes}
    return made, in_order([*found.mistakes, *(mistake for mistake in faults(case) if mistake.path not in told)])


def with_version(recipe: Recipe, project: Project) -> Recipe:
    """The recipe with the full version of Kubernetes that it means."""
    version = chosen_version(project, recipe.kubernetes.version)
    return recipe.model_copy(update={"kubernetes": recipe.kubernetes.model_copy(update={"version": version})})


def described_images(project: Project) -> dict[str, ImageDescription]:
    return {path.parent.name: load_description(path.parent) for path in sorted(project.pkg.glob("*/image.yml"))}


def root_of(
    project: Project, recipe: Recipe, runtime: Runtime, network: PodNetwork, described: Mapping[str, ImageDescription]
) -> Root:
    """What the descriptions say of the node's root."""
    root = Root()
    for name in needs(recipe, Role.MASTER, runtime, network, console_login=True).init:
        if name in described:
            files = project.pkg / name / "files"
            root.add_image(described[name], [path.relative_to(files).as_posix() for path in folder_files(files)])
    kubernetes = Kubernetes(version=recipe.kubernetes.version or "")
    for file in node_files(recipe, Role.MASTER, runtime, network, kubernetes, by_name(described)):
        root.add(file)
    return root


def draft_spec(made: Draft, role: Role) -> ImageSpec:
    """The image spec as far as it is known without a build: its images go by their names alone."""
    recipe, kubernetes = made.recipe, Kubernetes(version=made.version)
    return decide(
        recipe, role, made.runtime, made.network, made.needs(role, console_login=False), by_name(made.described),
        Image(name="images", digest=""), kubernetes, OwnFiles((), ()), console_login=False,
    )  # fmt: skip


def by_name(described: Mapping[str, ImageDescription]) -> dict[str, Image]:
    return {name: Image(name=image.image, digest="") for name, image in described.items()}
