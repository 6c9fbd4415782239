"""YAML as plain values that remember where each stood.

The node tree is composed by PyYAML and walked here, since its constructor would forget the positions, take the last of two
equal keys in silence, and follow an alias for ever.
"""

from dataclasses import dataclass, field, replace

import yaml

from builder.reading.mistake import Mistake, Place, dotted
from builder.reading.words import kind_of

DEPTH = 40  # groups within groups; far more than a recipe or a description needs, far less than Python's recursion limit
SIZE = 20_000  # values after aliases are expanded

PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}

# What PyYAML's constructors raise for a scalar that its tag does not fit, such as `!!int abc` or an impossible date.
UNFIT = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError)


@dataclass
class Tree:
    """A file's values by path, where each stands, and the mistakes found so far. `spoilt` are paths whose value is no use.

    home: where the tree lies in a larger one.
    """

    value: object = None
    nodes: dict[Place, yaml.Node] = field(default_factory=dict)
    keys: dict[Place, yaml.Node] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    spoilt: set[Place] = field(default_factory=set)
    home: Place = ()

    def below(self, key: str) -> "Tree":
        """The value of a key at the top as a tree of its own; its mistakes are told with their place in the whole."""
        inside = self.value.get(key) if isinstance(self.value, dict) else None
        nodes, keys = ({path[1:]: node for path, node in each.items() if path[:1] == (key,)} for each in (self.nodes, self.keys))
        spoilt = {path[1:] for path in self.spoilt if path[:1] == (key,)}
        return Tree(inside, nodes, keys, [], spoilt, (*self.home, key))

    def at(self, *path: str | int, default: object = None) -> object:
        """The value at the path, or the default where there is none or it is spoilt."""
        value = self.value
        for count, step in enumerate(path, 1):
            inside = dict(enumerate(value)) if isinstance(value, list) else value
            if path[:count] in self.spoilt or not isinstance(inside, dict) or step not in inside:
                return default
            value = inside[step]
        return value

    def listed(self, *path: str | int) -> list[tuple[Place, object]]:
        """The entries of the list at the path, each with its own path; none where there is no list."""
        value = self.at(*path)
        return [((*path, index), item) for index, item in enumerate(value)] if isinstance(value, list) else []

    def mistake(self, path: Place, message: str, hint: str = "", *, key: bool = False, line: int = 0) -> Mistake:
        """A mistake at the value (or, with `key`, at its key); at what encloses it where the file has no such value.

        `line` counts lines after the one where the value begins, for a mistake within a text of several lines.
        """
        known = path
        while known and known not in self.nodes:
            known = known[:-1]
        node = self.keys.get(known, self.nodes[known]) if key else self.nodes[known]
        mark = node.start_mark
        return Mistake(dotted((*self.home, *path)), mark.line + 1 + line, 1 if line else mark.column + 1, message, hint)

    def add(self, path: Place, message: str, hint: str = "", *, key: bool = False, line: int = 0) -> None:
        self.mistakes.append(self.mistake(path, message, hint, key=key, line=line))

    def spoil(self, path: Place, message: str, hint: str = "", *, line: int = 0) -> object:
        """Adds a mistake, and asks nothing more of that value: None stands in its place."""
        self.add(path, message, hint, line=line)
        self.spoilt.add(path)
        return None

    def unspoilt(self) -> "Tree":
        """The same places, to explain what another reader than this one made of the file."""
        return replace(self, mistakes=[], spoilt=set())

    def is_spoilt(self, path: Place) -> bool:
        """Whether the path lies in a value that is no use."""
        return any(path[:count] in self.spoilt for count in range(len(path) + 1))


class TooMuch(Exception):
    """More values than any such file has."""


def plant(root: yaml.Node) -> Tree:
    """The tree of a document; what YAML allows and our files do not is among its mistakes."""
    tree = Tree(nodes={(): root})
    try:
        tree.value = _value(tree, root, ())
    except TooMuch:
        tree.spoil((), f"more than {SIZE} values", "such files are small; do aliases (*) repeat each other?")
    return tree


def _value(tree: Tree, node: yaml.Node, path: Place) -> object:
    tree.nodes[path] = node
    if len(tree.nodes) > SIZE:
        raise TooMuch
    if len(path) > DEPTH:
        return tree.spoil(path, f"nested more than {DEPTH} levels deep")
    match node:
        case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
            return _mapping(tree, node, path)
        case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
            return [_value(tree, item, (*path, index)) for index, item in enumerate(node.value)]
        case yaml.ScalarNode():
            return _scalar(tree, node, path)
    return tree.spoil(path, f"the YAML tag {node.tag!r} has no meaning here", "leave it out")


def _scalar(tree: Tree, node: yaml.ScalarNode, path: Place) -> object:
    quoted = f"write it in quotes: '{node.value}'"
    try:
        value: object = yaml.SafeLoader("").construct_object(node)
    except UNFIT:
        return tree.spoil(path, f"{node.value[:60]!r} is not what its form or its tag {node.tag!r} says", quoted)
    if node.tag not in PLAIN_TAGS:
        return tree.spoil(path, f"expected a text, a number, true or false, got {kind_of(value)}", quoted)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return tree.spoil(path, "half of a Unicode character (a lone surrogate)", "write the character itself")
    return value


def _mapping(tree: Tree, node: yaml.MappingNode, path: Place) -> dict[str, object]:
    found: dict[str, object] = {}
    for key_node, value_node in node.value:
        if isinstance(key_node, yaml.MappingNode) and key_node.flow_style:
            tree.spoil(path, "braces without quotes make a group of keys", "put them in quotes: '{{ values.NAME }}'")
            return found
        key = _key(tree, key_node, path)
        if key is None:
            continue
        if key in found:
            first = tree.keys[(*path, key)].start_mark.line + 1
            tree.mistakes.append(_at(key_node, (*path, key), f"the key is here a second time (first in line {first})"))
            continue
        tree.keys[(*path, key)] = key_node
        found[key] = _value(tree, value_node, (*path, key))
    return found


def _key(tree: Tree, node: yaml.Node, path: Place) -> str | None:
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str" and node.value.isprintable():
        return str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:merge":
        problem, hint = "merge keys (<<) are not used here", "write the keys out"
    else:
        problem, hint = "a key must be a text", "write it in quotes"
    tree.mistakes.append(_at(node, path, problem, hint))
    return None


def _at(node: yaml.Node, path: Place, message: str, hint: str = "") -> Mistake:
    return Mistake(dotted(path), node.start_mark.line + 1, node.start_mark.column + 1, message, hint)
