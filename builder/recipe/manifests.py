"""Files of Kubernetes objects that a recipe names: whether they are what the API server could take."""

from pathlib import Path

import yaml

# What every object has (Kubernetes' API conventions, "Types (Kinds)"); a List has no name.
WORDS = ("apiVersion", "kind")


def ailing(file: Path) -> str:
    """What is wrong with the file, with its line where that is known, or "". It has to be readable."""
    try:
        found = [node for node in yaml.compose_all(file.read_text(), Loader=yaml.CSafeLoader) if not _is_empty(node)]
    except UnicodeDecodeError:
        return "is no text"
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return f"is no YAML: line {line}: {error.problem}"
    except yaml.YAMLError as error:
        return f"is no YAML: {error}"
    if not found:
        return "has no object"
    return next((fault for node in found if (fault := _lacking(node))), "")


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null")


def _lacking(node: yaml.Node) -> str:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return f"line {line}: there is no Kubernetes object"
    given = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    lacking = [word for word in WORDS if not getattr(given.get(word), "value", "")]
    if not lacking and not str(given["kind"].value).endswith("List") and not _is_named(given.get("metadata")):
        lacking = ["metadata.name"]
    return f"line {line}: the object has no {' and no '.join(lacking)}" if lacking else ""


def _is_named(metadata: yaml.Node | None) -> bool:
    """generateName is not enough: the node applies what it has again whenever that failed."""
    pairs = metadata.value if isinstance(metadata, yaml.MappingNode) else ()
    return any(getattr(key, "value", "") == "name" and getattr(value, "value", "") for key, value in pairs)
