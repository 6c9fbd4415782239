"""From a recipe's file to a Recipe, or to all of its mistakes.

The stages: bytes -> YAML nodes -> plain values with their places -> Jinja2 values filled in -> the models -> the rules. A
stage goes on with what the one before could make use of, so that the author hears of everything at once.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from builder.errors import InputError
from builder.recipe.explain import explain
from builder.recipe.mistake import Mistake, Place, in_order
from builder.recipe.model import Recipe
from builder.recipe.rules import RULES, Case
from builder.recipe.schema import schema
from builder.recipe.templates import Fault, Values
from builder.recipe.tree import Tree, plant
from builder.recipe.words import did_you_mean, kind_of

__all__ = ["check_recipe", "load_recipe", "schema"]

LARGEST = 1 << 20  # bytes; whoever names an ISO by mistake hears so at once


class Unreadable(Exception):
    """No tree can be made of the file at all."""

    def __init__(self, message: str, hint: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.mistake = Mistake("", line, column, message, hint)


def load_recipe(path: Path, project_root: Path, values: Mapping[str, str] | None = None) -> Recipe:
    """The recipe in the file; `values` are those that `--set` gave. project_root has runtimes/, networks/ and pkg/.

    Raises one InputError with every mistake in its details, as "recipes/x.yml:12:3: network.pod_subnet: ...".
    """
    recipe, mistakes = examine(path, project_root, values)
    if recipe is None or mistakes:
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise InputError(
            f"the recipe {path.name} has {count}",
            details=tuple(mistake.located(os.fspath(path)) for mistake in mistakes),
            hint="correct the recipe; the schema of `kubeiso check --schema` lets an editor show mistakes while you type",
        )
    return recipe


def check_recipe(path: Path, project_root: Path, values: Mapping[str, str] | None = None) -> list[Mistake]:
    """Every mistake of the file, by line; none means that load_recipe gives a Recipe."""
    return examine(path, project_root, values)[1]


def examine(path: Path, project_root: Path, values: Mapping[str, str] | None = None) -> tuple[Recipe | None, list[Mistake]]:
    """The Recipe, where the models could make one, and every mistake."""
    try:
        tree = plant(compose(read(path)))
    except Unreadable as problem:
        return None, [problem.mistake]
    tree.value = fill(tree, tree.value, (), Values({"env": os.environ, "values": values or {}, "recipe": {"name": path.stem}}))
    recipe = None
    if not tree.is_spoilt(()):
        try:
            recipe = Recipe.model_validate(tree.value)
        except ValidationError as error:
            tree.mistakes += explain(tree, error)
    if isinstance(tree.value, dict):
        case = Case(tree, path.parent, project_root)
        tree.mistakes += [mistake for rule in RULES for mistake in rule(case)]
    return recipe, in_order(tree.mistakes)


def read(path: Path) -> str:
    """The file's text; raises Unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        others = [other.name for other in path.parent.glob("*.yml")] if path.parent.is_dir() else []
        raise Unreadable("the file does not exist", did_you_mean(path.name, others)) from error
    except IsADirectoryError as error:
        raise Unreadable("this is a directory", f"name a file in it, such as {path / 'NAME.yml'}") from error
    except OSError as error:
        raise Unreadable(f"the file can't be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise Unreadable("the file is larger than 1 MiB: this is no recipe")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        message = f"the file is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise Unreadable(message, "save it as UTF-8", line, column) from error


def compose(text: str) -> yaml.Node:
    """The YAML node at the top; raises Unreadable where the text is not YAML or not a group of keys."""
    hint = "the YAML parser stops at the first such place: what follows was not looked at"
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise Unreadable(f"not valid YAML: {_problem(error)}", hint, line, column) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        raise Unreadable(f"not valid YAML: the character U+{ord(text[error.position]):04X}", hint, line, column) from error
    except RecursionError as error:
        raise Unreadable("not valid YAML: groups are nested too deeply", hint) from error
    if root is None:
        raise Unreadable("the file is empty", "a recipe has at least one line: 'runtime: cri-containerd'")
    if not isinstance(root, yaml.MappingNode):
        found = kind_of([] if isinstance(root, yaml.SequenceNode) else "")
        raise Unreadable(f"expected a group of keys, got {found}", "a recipe begins like 'runtime: cri-containerd'", 1, 1)
    return root


def _problem(error: yaml.MarkedYAMLError) -> str:
    if error.problem and "'\\t'" in error.problem:
        return "a tab where YAML indents with spaces"
    return ", ".join(part for part in (error.context, error.problem) if part)


def fill(tree: Tree, value: object, path: Place, values: Values) -> object:
    """The value with every text in it filled in; what is wrong in a text spoils it."""
    if isinstance(value, dict):
        return {key: fill(tree, item, (*path, key), values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(tree, item, (*path, index), values) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    text, faults = values.fill(value)
    for fault in faults:
        tree.spoil(path, fault.message, fault.hint, line=_line_within(tree, path, fault))
    return text


def _line_within(tree: Tree, path: Place, fault: Fault) -> int:
    """Lines from where the value begins; the text of a block begins in the line after its mark."""
    node = tree.nodes[path]
    return fault.line + 1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else 0
