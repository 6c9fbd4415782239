"""What a recipe's keys mean, from the models that check it: for `kubeiso check --explain`, and the README's table."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from builder.container import Settings
from builder.errors import InputError
from builder.frozen import Frozen
from builder.reading.explain import bare, described, is_list, keys_of
from builder.reading.shapes import Shape
from builder.reading.words import did_you_mean, plain
from builder.recipe.model import Fields, Recipe


class Key(Frozen):
    """path: such as network.pod_subnet and files[].path; type: in plain words; default: as YAML, "" where it must be given."""

    path: str
    type: str
    default: str
    meaning: str


def keys() -> list[Key]:
    """Every key of a recipe, in the order of the models, groups before what is in them."""
    return list(_keys(Recipe, ""))


def explained(name: str) -> list[Key]:
    """The key of that name with the keys in it; by its last part alone where that is enough. Raises InputError."""
    known, wanted = keys(), plain(name.strip(". ").replace("[]", ""))
    found = [key for key in known if _bare(key.path) == wanted] or [
        key for key in known if _bare(key.path).rpartition(".")[2] == wanted
    ]
    if not found:
        hint = did_you_mean(name, [key.path for key in known]) or "kubeiso check --reference lists all"
        raise InputError(f"a recipe has no key {name}", hint=hint)
    paths = [key.path for key in found]
    return [key for key in known if any(key.path == path or key.path.startswith((f"{path}.", f"{path}[]")) for path in paths)]


def _bare(path: str) -> str:
    return plain(path.replace("[]", "").replace(".NAME", ""))


def text(key: Key) -> str:
    """A key as a person reads it in a terminal."""
    default = f"default: {key.default}" if key.default else "has to be given"
    return f"{key.path}\n  {key.meaning}\n  {key.type}; {default}"


def table() -> str:
    """All keys as a table in Markdown."""
    rows = [f"| `{key.path}` | {key.type} | {_code(key.default)} | {_cell(key.meaning)} |" for key in keys()]
    return "\n".join(["| key | what it takes | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _code(default: str) -> str:
    return f"`{_cell(default)}`" if default else "(has to be given)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _keys(model: type[BaseModel], inside: str) -> Iterator[Key]:
    for name, field in keys_of(model).items():
        path = f"{inside}{name}"
        yield Key(path=path, type=_type(field), default=_default(field), meaning=field.description or "")
        kind, step = _below(bare(field.annotation))
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Settings:
            yield from _keys(kind, f"{path}{step}.")


def _below(kind: Any) -> tuple[Any, str]:
    """What is in a value of that type, and how its place is written."""
    if is_list(kind):
        return bare(get_args(kind)[0]), "[]"
    if get_origin(kind) is dict:
        return bare(get_args(kind)[1]), ".NAME"
    return kind, ""


def _type(field: FieldInfo) -> str:
    """In the words of its shape, where it has one."""
    kind = bare(field.annotation)
    if kind is Settings:
        return "keys of LinuxKit"
    if is_list(kind) and (entry := _shape(get_args(kind)[0])):
        return f"a list; each entry is {entry}"
    if kind == bare(Fields):
        return "fields of Kubernetes"
    if get_origin(kind) is dict:
        name, value = (_shape(each) or described(each) for each in get_args(kind))
        return f"for each NAME ({name}) {value}"
    return _shape(field.annotation, field.metadata) or described(field.annotation)


def _shape(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a type's Shape expects; "" where it has none."""
    notes = [*metadata, *(note for each in (annotation, *get_args(annotation)) for note in getattr(each, "__metadata__", ()))]
    return next((note.expected for note in notes if isinstance(note, Shape)), "")


def _default(field: FieldInfo) -> str:
    """As YAML; "none" for a key that may be left out and has none."""
    if field.default is PydanticUndefined:
        return "" if field.default_factory is None else "by the others"
    value = field.default
    if value is None:
        return "none"
    plain_value = value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value
    if isinstance(plain_value, tuple):
        plain_value = [str(each) if isinstance(each, str) else each for each in plain_value]
    return yaml.safe_dump(plain_value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
