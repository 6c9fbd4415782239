"""From a file's bytes to the YAML node at its top, and texts with values in them filled in."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from builder.reading.mistake import Mistake, Place
from builder.reading.tree import Tree
from builder.reading.values import Fault, Values
from builder.reading.words import did_you_mean, kind_of

LARGEST = 1 << 20  # bytes; whoever names an ISO by mistake hears so at once


@dataclass(frozen=True)
class Kind:
    """What a file is meant to be: its name in plain words, and a line that such a file can begin with.

    made: this program writes such files, so they are long and seldom wrong.
    """

    name: str
    example: str
    made: bool = False


class Unreadable(Exception):
    """No tree can be made of the file at all."""

    def __init__(self, message: str, hint: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.mistake = Mistake("", line, column, message, hint)


def read(path: Path, kind: Kind) -> str:
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
        raise Unreadable(f"the file is larger than 1 MiB: this is no {kind.name}")
    return decoded(data)


def decoded(data: bytes) -> str:
    """The bytes as text; raises Unreadable with the place of the first that are none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        message = f"the file is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise Unreadable(message, "save it as UTF-8", line, column) from error


def compose(text: str, kind: Kind) -> yaml.Node:
    """The YAML node at the top; raises Unreadable where the text is not YAML or not a group of keys."""
    hint = "the YAML parser stops at the first such place: what follows was not looked at"
    try:
        root = _composed(text, kind.made)
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
        raise Unreadable("the file is empty", f"a {kind.name} has at least one line: '{kind.example}'")
    if not isinstance(root, yaml.MappingNode):
        found = kind_of([] if isinstance(root, yaml.SequenceNode) else "")
        raise Unreadable(f"expected a group of keys, got {found}", f"a {kind.name} begins like '{kind.example}'", 1, 1)
    return root


@lru_cache(maxsize=512)
def _composed(text: str, made: bool) -> yaml.Node | None:
    """Descriptions are asked for again and again in one run; nobody changes the nodes."""
    return _compose_made(text) if made else yaml.compose(text, Loader=yaml.SafeLoader)


def _compose_made(text: str) -> yaml.Node | None:
    """By PyYAML's binding of libyaml where it has one: the same nodes in a tenth of the time, but other words for a mistake."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


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
        tree.spoil(path, fault.message, fault.hint, line=line_within(tree, path, fault))
    return text


def line_within(tree: Tree, path: Place, fault: Fault) -> int:
    """Lines from where the value begins; the text of a block begins in the line after its mark."""
    node = tree.nodes[path]
    return fault.line + 1 if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else 0
