"""Files of Kubernetes objects that a recipe names: whether they are what the API server could take."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from builder.references import expand, split

# What every object has (Kubernetes' API conventions, "Types (Kinds)"); a List has no name.
WORDS = ("apiVersion", "kind")
CONTAINERS = ("containers", "initContainers")


def ailing(file: Path) -> str:
    """What is wrong with the file, with its line where that is known, or "". It has to be readable."""
    try:
        text = file.read_text()
        found = [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if not _is_empty(node)]
        json.dumps(list(yaml.load_all(text, Loader=yaml.CSafeLoader)), default=str)  # which is what the API server gets
    except UnicodeDecodeError:
        return "is no text"
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return f"is no YAML: line {line}: {error.problem}"
    except (yaml.YAMLError, ValueError, TypeError) as error:
        return f"is no YAML: {error}"
    if not found:
        return "has no object"
    return next((fault for node in found if (fault := _lacking(node))), "")


def images_of(file: Path) -> set[str]:
    """The images of all containers in a file in which nothing is ailing, by their full names."""
    documents = list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))
    return {full_name(name) for name in _images(documents)}


def full_name(name: str) -> str:
    """As runtimes complete it: docker.io, library, and the tag latest."""
    found = expand(name)
    return found if split(found).tag or split(found).digest else f"{found}:latest"


def _images(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _images(each)
    elif isinstance(value, dict):
        for key, inside in value.items():
            if key in CONTAINERS and isinstance(inside, list):
                yield from (str(each["image"]) for each in inside if isinstance(each, dict) and each.get("image"))
            yield from _images(inside)


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
