"""What pydantic found, said in plain words, with the place in the file and the nearest right word."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from builder.reading.mistake import Mistake, Place, dotted
from builder.reading.tree import Tree
from builder.reading.words import did_you_mean, kind_of, nearest, one_of, plain, shown

Model = type[BaseModel]

ECHOES = {"default_factory_not_called"}  # follow from another finding in the same group
WRONG_TYPE = {
    "string_type",
    "bool_parsing",
    "tuple_type",
    "list_type",
    "bool_type",
    "dict_type",
    "model_type",
    "int_type",
    "float_type",
}
WHOLE = {"int_parsing", "int_from_float", "int_parsing_size"}
TOO_FEW = {"too_short": "entry", "string_too_short": "character"}


def explain(tree: Tree, error: ValidationError, root: Model) -> Iterator[Mistake]:
    """A mistake for each finding about the model `root` that is not about a value that the tree already calls spoilt."""
    found = [(place_of(finding["loc"], root), finding) for finding in error.errors(include_url=False)]
    findings = [
        (path, finding)
        for path, finding in found
        if not tree.is_spoilt(path) and finding["type"] not in ECHOES and not _echo(path, finding, found)
    ]
    misspelt = {
        (*path[:-1], right) for path, finding in findings if finding["type"] == "extra_forbidden" for right in _near(path, root)
    }
    told: set[Place] = set()
    for path, finding in findings:
        if path in told:  # what a value could be has several types, and each of them says no
            continue
        told.add(path)
        if finding["type"] == "extra_forbidden":
            yield tree.mistake(path, "unknown key", _where_it_belongs(path, root), key=True)
        elif finding["type"] != "missing":
            yield _wrong_value(tree, path, finding, root)
        elif path not in misspelt:  # else the misspelt key says it
            yield tree.mistake(path, "the key is missing", _example(path, root))


def _echo(path: Place, finding: ErrorDetails, found: Sequence[tuple[Place, ErrorDetails]]) -> bool:
    """Whether a list is called too short because of an entry in it that is wrong."""
    within = (other for other, _ in found if len(other) > len(path) and other[: len(path)] == path)
    return finding["type"] in TOO_FEW and any(within)


def place_of(steps: Sequence[str | int], root: Model) -> Place:
    """The place of a finding in the file: pydantic adds the type that it tried of several, and "[key]" for a group's key."""
    path: Place = ()
    for step in steps:
        if step != "[key]" and not isinstance(at(path, root), UnionOf):
            path = (*path, step)
    return path


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def keys_of(model: Model) -> dict[str, Any]:
    """The keys that a file has for the model's fields, with the fields."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _near(path: Place, root: Model) -> list[str]:
    """The keys that the last step of the path may be a misspelling of."""
    model = at(path[:-1], root)
    return nearest(str(path[-1])[:100], keys_of(model)) if _is_model(model) else []


def _where_it_belongs(path: Place, root: Model) -> str:
    """The nearest key of the same group, else where a key of that name belongs, else the keys that the group has."""
    key, model = str(path[-1]), at(path[:-1], root)
    known = list(keys_of(model)) if _is_model(model) else []
    elsewhere = [place for place in places(root) if plain(place.rpartition(".")[2]) == plain(key)]
    if elsewhere and len(elsewhere) <= 3 and not nearest(key[:100], known):
        return f"it belongs in {' or '.join(elsewhere)}"
    return one_of(key, known)


def _wrong_value(tree: Tree, path: Place, finding: ErrorDetails, root: Model) -> Mistake:
    annotation, given, kind = at(path, root), finding["input"], finding["type"]
    expected = described(annotation)
    if kind in WRONG_TYPE:
        return tree.mistake(path, f"expected {expected}, got {kind_of(given)}", _right_type(tree, path, given, root))
    if kind in ("enum", "literal_error"):
        got = shown(given) if isinstance(given, str) else kind_of(given)
        return tree.mistake(path, f"expected {expected}, got {got}", did_you_mean(str(given), choices(annotation)))
    if kind in WHOLE:
        return tree.mistake(path, f"expected {expected}, got {shown(str(given))}")
    if kind in TOO_FEW:
        empty = "an empty list" if kind == "too_short" else "an empty text"
        return tree.mistake(path, f"expected at least one {TOO_FEW[kind]}, got {empty}", _without(path, root))
    cause = finding.get("ctx", {}).get("error")
    return tree.mistake(path, str(cause or _bounds(finding) or finding["msg"]), getattr(cause, "hint", ""))


def _bounds(finding: ErrorDetails) -> str:
    """What is said of a number outside its bounds."""
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    limits = [f"{words[name]} {limit}" for name, limit in finding.get("ctx", {}).items() if name in words]
    return f"expected {' and '.join(limits)}, got {finding['input']}" if limits else ""


def _without(path: Place, root: Model) -> str:
    """What becomes of a key that has nothing."""
    model = at(path[:-1], root)
    field = keys_of(model).get(str(path[-1])) if _is_model(model) else None
    return "it has to be given" if field is not None and field.is_required() else "leave the key out to take the default"


def _right_type(tree: Tree, path: Place, given: object, root: Model) -> str:
    """How to write what was probably meant."""
    node, kind = tree.nodes.get(path), bare(at(path, root))
    if given is None:
        return _without(path, root)
    if kind is str and isinstance(node, yaml.ScalarNode):
        return f"write it in quotes: '{node.value}'"
    if is_list(kind) and not isinstance(given, dict):
        return "write each entry on a line of its own after '- '"
    return ""


def _example(path: Place, root: Model) -> str:
    model = at(path[:-1], root)
    field = keys_of(model).get(str(path[-1])) if _is_model(model) else None
    return f"{path[-1]}: {field.description}" if field and field.description else ""


class UnionOf:
    """A value that can be of one of several types."""

    def __init__(self, kinds: tuple[Any, ...]) -> None:
        self.kinds = kinds


def bare(annotation: Any) -> Any:
    """A type without Annotated and without the choice of None; a UnionOf where several are left."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        kinds = tuple(bare(choice) for choice in get_args(annotation) if choice is not NoneType)
        return kinds[0] if len(kinds) == 1 else UnionOf(kinds)
    return annotation


def is_list(kind: Any) -> bool:
    return get_origin(kind) in (tuple, list)


def at(path: Place, root: Model) -> Any:
    """The type that the model has at the path; object where anything may stand, or nothing may."""
    here: Any = root
    for step in path:
        if _is_model(here):
            field = keys_of(here).get(str(step))
            here = bare(field.annotation) if field else object
        else:
            arguments = get_args(here)
            here = bare(arguments[0 if is_list(here) else -1]) if arguments else object
    return here


def choices(annotation: Any) -> list[str]:
    """The words that a type with few values has."""
    kind = bare(annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return [str(word) for word in get_args(kind)] if get_origin(kind) is Literal else []


SIMPLE: Mapping[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"), str: ("a text", "texts"), int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
}  # fmt: skip


def described(annotation: Any, plural: bool = False) -> str:
    """A type in plain words: "a text", "a list of texts", "one of master, worker"."""
    kind = bare(annotation)
    if isinstance(kind, UnionOf):
        return " or ".join(described(each, plural) for each in kind.kinds)
    if choices(kind):
        return ("words of " if plural else "one of ") + ", ".join(choices(kind))
    if is_list(kind):
        return ("lists of " if plural else "a list of ") + described(get_args(kind)[0], plural=True)
    if kind in SIMPLE:
        return SIMPLE[kind][plural]
    return "groups of keys" if plural else "a group of keys"


def places(model: Model, path: Place = ()) -> Iterator[str]:
    """Every key of the models with the groups that it is in, as in "network.pod_subnet" and "files[0].path"."""
    for name, field in keys_of(model).items():
        yield dotted((*path, name))
        kind = bare(field.annotation)
        inner, step = (bare(get_args(kind)[0]), (0,)) if is_list(kind) else (kind, ())
        if _is_model(inner):
            yield from places(inner, (*path, name, *step))
