"""Everything that the author wrote, read and checked."""

from collections.abc import Iterable
from pathlib import Path

from builder.components.registry import check_overrides
from builder.errors import InputError
from builder.pipeline.kubernetes import check_version, own_programs
from builder.pipeline.model import BuildOptions, Plan
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Role
from builder.spec.descriptions import pod_network, runtime
from builder.spec.needs import needs


def plan(project: Project, recipe_path: Path, roles: Iterable[Role] | None, options: BuildOptions) -> Plan:
    """Reads the recipe and its descriptions; nothing is fetched or built. Raises InputError for each kind of mistake."""
    check_overrides(options.overrides, project)
    recipe = load_recipe(recipe_path, project.root, options.values)
    own = own_programs(project, options)
    check_version(project, recipe, own)
    wanted = tuple(roles) if roles is not None else recipe.roles
    if missing := [role.value for role in wanted if role not in recipe.roles]:
        raise InputError(f"{recipe_path.name} has no role {', '.join(missing)}", hint="add it to `roles` in the recipe")
    chosen, network = runtime(project.root, recipe.runtime), pod_network(project.root, recipe.network.cni)
    kind = {"console_login": options.console_login, "conformance": options.conformance}
    need = {role: needs(recipe, role, chosen, network, **kind) for role in wanted}
    return Plan(recipe, recipe_path, chosen, network, need, own=own, **kind)
