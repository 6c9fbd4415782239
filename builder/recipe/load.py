"""From a recipe's file to a Recipe, or to all of its mistakes.

The stages: bytes -> YAML nodes -> plain values with their places -> Jinja2 values filled in -> the models -> the rules. A
stage goes on with what the one before could make use of, so that the author hears of everything at once.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from builder.errors import InputError
from builder.project import Project
from builder.reading.explain import explain
from builder.reading.mistake import Mistake, counted, in_order
from builder.reading.source import LARGEST, Kind, Unreadable, compose, fill, read
from builder.reading.tree import Tree, plant
from builder.reading.values import Values
from builder.recipe.extend import extended
from builder.recipe.model import Recipe
from builder.recipe.rules import RULES, Case
from builder.recipe.schema import schema

__all__ = ["LARGEST", "Examined", "check_recipe", "examine", "load_recipe", "schema", "wrong"]

RECIPE = Kind("recipe", "runtime: cri-containerd")
GIVE = {"values": "give it with --set {}=...", "env": "set the variable {}", "recipe": "there is recipe.name"}


ENTRIES = ("files", "services", "handlers", "storage", "guest_tools")


@dataclass(frozen=True)
class Examined:
    """recipe: what the models could make of the file; where it has mistakes, of what is left without them.

    places: of the entries of those lists (ENTRIES) that are left, their numbers in the file. tree: where everything stands; None
    where the file is no YAML.
    """

    recipe: Recipe | None
    tree: Tree | None
    mistakes: list[Mistake]
    places: Mapping[str, list[int]]


def load_recipe(path: Path, project: Project, values: Mapping[str, str] | None = None) -> Recipe:
    """The recipe in the file; `values` are those that `--set` gave. project has runtimes/, networks/ and pkg/.

    Raises one InputError with every mistake in its details, as "recipes/x.yml:12:3: network.pod_subnet: ...".
    """
    found = examine(path, project, values)
    if found.recipe is None or found.mistakes:
        raise wrong(path, found.mistakes)
    return found.recipe


def wrong(path: Path, mistakes: Iterable[Mistake]) -> InputError:
    """The one error that tells all mistakes of a recipe."""
    details = tuple(mistake.located(os.fspath(path)) for mistake in mistakes)
    hint = "correct the recipe; the schema of `kubeiso check --schema` lets an editor show mistakes while you type"
    return InputError(f"the recipe {path.name} has {counted(details)}", details=details, hint=hint)


def check_recipe(path: Path, project: Project, values: Mapping[str, str] | None = None) -> list[Mistake]:
    """Every mistake that the file alone has, by line; none means that load_recipe gives a Recipe."""
    return examine(path, project, values).mistakes


def examine(path: Path, project: Project, values: Mapping[str, str] | None = None) -> Examined:
    """The Recipe, where the models could make one, and every mistake."""
    try:
        tree = planted(path, project, values or {}, path.stem)
    except Unreadable as problem:
        return Examined(None, None, [problem.mistake], {})
    if not tree.is_spoilt(()):
        try:
            Recipe.model_validate(tree.value)
        except ValidationError as error:
            tree.mistakes += explain(tree, error, Recipe)
    if isinstance(tree.value, dict):
        case = Case(tree, path.parent, project)
        tree.mistakes += [mistake for rule in RULES for mistake in rule(case)]
    recipe, places = salvage(tree.value, tree.mistakes)
    return Examined(recipe, tree, in_order(tree.mistakes), places)


def planted(path: Path, project: Project, values: Mapping[str, str], name: str, above: tuple[Path, ...] = ()) -> Tree:
    """The file's values, filled in and laid over those of the recipe that it extends. above: what extends this one."""
    tree = plant(compose(read(path, RECIPE), RECIPE))
    groups = {"env": os.environ, "values": values, "recipe": {"name": name}}
    tree.value = fill(tree, tree.value, (), Values(groups, GIVE))

    def base(other: Path, above: tuple[Path, ...]) -> tuple[object, list[Mistake]]:
        try:
            found = planted(other, project, values, name, above)
        except Unreadable as problem:
            return None, [problem.mistake]
        return found.value, found.mistakes

    extended(tree, path, project, above, base)
    return tree


def salvage(value: object, mistakes: Iterable[Mistake]) -> tuple[Recipe | None, Mapping[str, list[int]]]:
    """A recipe without each wrong group and each wrong entry of a list, so that more can be said of what is left."""
    if not isinstance(value, dict):
        return None, {}
    wrong = {mistake.path.partition(".")[0] for mistake in mistakes}
    places = {
        key: [at for at, _ in enumerate(value[key]) if f"{key}[{at}]" not in wrong]
        for key in ENTRIES
        if isinstance(value.get(key), list)
    }
    kept = {
        key: [value[key][at] for at in places[key]] if key in places else item for key, item in value.items() if key not in wrong
    }
    try:
        return Recipe.model_validate(kept), places
    except ValidationError:  # without its runtime, say, it is none
        return None, {}
