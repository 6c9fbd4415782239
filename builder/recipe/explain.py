"""What pydantic found, said in plain words, with the place in the file and the nearest right word."""

from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from builder.recipe.mistake import Mistake, Place, dotted
from builder.recipe.model import Recipe
from builder.recipe.tree import Tree
from builder.recipe.words import did_you_mean, kind_of, nearest, one_of, plain, shown

ECHOES = {"default_factory_not_called"}  # follow from another finding in the same group
WRONG_TYPE = {"string_type", "tuple_type", "bool_type", "dict_type", "model_type"}


def explain(tree: Tree, error: ValidationError) -> Iterator[Mistake]:
    """A mistake for each finding that is not about a value that the tree already calls spoilt."""
    findings = [(tuple(finding["loc"]), finding) for finding in error.errors(include_url=False)]
    findings = [(path, finding) for path, finding in findings if not tree.is_spoilt(path) and finding["type"] not in ECHOES]
    misspelt = {
        (*path[:-1], right) for path, finding in findings if finding["type"] == "extra_forbidden" for right in _keys(path)
    }
    for path, finding in findings:
        if finding["type"] == "extra_forbidden":
            yield tree.mistake(path, "unknown key", _where_it_belongs(path), key=True)
        elif finding["type"] != "missing":
            yield _wrong_value(tree, path, finding)
        elif path not in misspelt:  # else the misspelt key says it
            yield tree.mistake(path, "the key is missing", _example(path))


def _keys(path: Place) -> list[str]:
    """The keys that the last step of the path may be a misspelling of."""
    model = at(path[:-1])
    return nearest(str(path[-1])[:100], model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _where_it_belongs(path: Place) -> str:
    """The nearest key of the same group, else where a key of that name belongs, else the keys that the group has."""
    key, model = str(path[-1]), at(path[:-1])
    known = list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
    elsewhere = [place for place in places(Recipe) if plain(place.rpartition(".")[2]) == plain(key)]
    if elsewhere and not nearest(key[:100], known):
        return f"it belongs in {' or '.join(elsewhere)}"
    return one_of(key, known)


def _wrong_value(tree: Tree, path: Place, finding: ErrorDetails) -> Mistake:
    expected, given = described(at(path)), finding["input"]
    kind = finding["type"]
    if kind in WRONG_TYPE:
        return tree.mistake(path, f"expected {expected}, got {kind_of(given)}", _right_type(tree, path, given))
    if kind in ("enum", "literal_error"):
        got = shown(given) if isinstance(given, str) else kind_of(given)
        return tree.mistake(path, f"expected {expected}, got {got}", did_you_mean(str(given), choices(at(path))))
    if kind == "too_short":
        return tree.mistake(path, "expected at least one entry, got an empty list", "leave the key out to take the default")
    cause = finding.get("ctx", {}).get("error")
    return tree.mistake(path, str(cause or finding["msg"]), getattr(cause, "hint", ""))


def _right_type(tree: Tree, path: Place, given: object) -> str:
    """How to write what was probably meant."""
    node, annotation = tree.nodes.get(path), bare(at(path))
    if given is None:
        return "leave the key out to take the default"
    if annotation is str and isinstance(node, yaml.ScalarNode):
        return f"write it in quotes: '{node.value}'"
    if get_origin(annotation) is tuple:
        return "write each entry on a line of its own after '- '"
    return ""


def _example(path: Place) -> str:
    model = at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if isinstance(model, type) and issubclass(model, BaseModel) else None
    return f"{path[-1]}: {field.description}" if field and field.description else ""


def bare(annotation: Any) -> Any:
    """A type without Annotated and without the choice of None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return bare(next(choice for choice in get_args(annotation) if choice is not NoneType))
    return annotation


def at(path: Place) -> Any:
    """The type that a recipe has at the path; object where anything may stand, or nothing may."""
    here: Any = Recipe
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            here = bare(field.annotation) if field else object
        else:
            arguments = get_args(here)
            here = bare(arguments[0 if get_origin(here) is tuple else -1]) if arguments else object
    return here


def choices(annotation: Any) -> list[str]:
    """The words that a type with few values has."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [str(word) for word in get_args(annotation)] if get_origin(annotation) is Literal else []


def described(annotation: Any, plural: bool = False) -> str:
    """A type in plain words: "a text", "a list of texts", "one of master, worker"."""
    kind = bare(annotation)
    if choices(kind):
        return ("words of " if plural else "one of ") + ", ".join(choices(kind))
    if get_origin(kind) is tuple:
        return "a list of " + described(get_args(kind)[0], plural=True)
    if kind is bool:
        return "true or false"
    if kind is str:
        return "texts" if plural else "a text"
    return "groups of keys" if plural else "a group of keys"


def places(model: type[BaseModel], path: Place = ()) -> Iterator[str]:
    """Every key of the models with the groups that it is in, as in "network.pod_subnet" and "files[0].path"."""
    for name, field in model.model_fields.items():
        yield dotted((*path, name))
        kind = bare(field.annotation)
        inner, step = (bare(get_args(kind)[0]), (0,)) if get_origin(kind) is tuple else (kind, ())
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from places(inner, (*path, name, *step))
