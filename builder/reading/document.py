"""From a file or a text to a model, or to one error with every mistake."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import InputError
from builder.reading.explain import explain
from builder.reading.mistake import Mistake, counted, in_order
from builder.reading.source import Kind, Unreadable, compose, read
from builder.reading.tree import Tree, plant

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M], kind: Kind) -> M:
    """A description of ours. Raises InputError with every mistake, as "pkg/x/image.yml:3:1: linkz: unknown key ..."."""
    return valid(planted(path, kind), model, path, kind)


def planted(path: Path, kind: Kind) -> Tree:
    """The file's values with their places; raises InputError where it is no YAML, or YAML that has no meaning here."""
    try:
        tree = plant(compose(read(path, kind), kind))
    except Unreadable as problem:
        raise wrong(path, [problem.mistake], kind) from problem
    if tree.mistakes and tree.is_spoilt(()):
        raise wrong(path, tree.mistakes, kind)
    return tree


def valid(tree: Tree, model: type[M], path: Path, kind: Kind, more: Iterable[Mistake] = ()) -> M:
    """The tree of the file as a model; `more` are mistakes that were found beside."""
    mistakes: list[Mistake] = [*tree.mistakes, *more]
    try:
        made = model.model_validate(tree.value)
    except ValidationError as error:
        mistakes += explain(tree, error, model)
    if mistakes:
        raise wrong(path, mistakes, kind)
    return made


def wrong(path: Path, mistakes: Iterable[Mistake], kind: Kind) -> InputError:
    details = tuple(mistake.located(os.fspath(path)) for mistake in in_order(mistakes))
    return InputError(f"{path} has {counted(details)}", details=details, hint=f"correct this {kind.name}")


def parse(text: str, model: type[M], kind: Kind, name: str) -> M:
    """A text that another program's YAML reader takes too: with anchors, merge keys and whatever else YAML has.

    Raises InputError that calls it `name`, with every mistake and its place.
    """
    try:
        tree = plant(compose(text, kind))
        return model.model_validate(yaml.safe_load(text))
    except Unreadable as problem:
        mistakes = [problem.mistake]
    except yaml.YAMLError as error:
        raise InputError(f"{name} is not valid YAML", why=" ".join(str(error).split())) from error
    except ValidationError as error:
        mistakes = in_order(explain(tree.unspoilt(), error, model))
    raise InputError(f"{name} has {counted(mistakes)}", details=tuple(str(mistake) for mistake in mistakes))


def without_places(error: ValidationError, model: type[BaseModel]) -> Sequence[str]:
    """What is wrong with a value that no file has: each mistake with its path alone."""
    tree = Tree(nodes={(): yaml.MappingNode("", [], yaml.Mark("", 0, -1, 0, None, 0))})
    return [str(mistake) for mistake in in_order(explain(tree, error, model))]
