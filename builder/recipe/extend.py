"""A recipe that extends another: what the other says, and its own in place of that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from builder.project import Project
from builder.reading.mistake import Mistake, counted
from builder.reading.tree import Tree
from builder.reading.words import one_of, shown

KEY = "extend"

# The value of a recipe's file and its mistakes; the second argument has the files that extend it.
Read = Callable[[Path, tuple[Path, ...]], tuple[object, list[Mistake]]]


def extended(tree: Tree, path: Path, project: Project, above: tuple[Path, ...], read: Read) -> None:
    """Puts what the other recipe says under the tree's own values; what is wrong with it is a mistake at the key."""
    name = tree.at(KEY)
    if not isinstance(tree.value, dict) or not isinstance(name, str):
        return
    other = located(name, path, project)
    if other is None:
        known = [each.stem for each in project.recipes.glob("*.yml")]
        _spoil(tree, f"there is no recipe {shown(name)}", one_of(name, known) + "; or a path relative to this recipe")
        return
    if other.resolve() in {each.resolve() for each in (path, *above)}:
        _spoil(tree, f"{shown(name)} extends this recipe", "a base can't have it as its own base")
        return
    value, mistakes = read(other, (*above, path))
    if mistakes or not isinstance(value, dict):
        told = [mistake.located(other.name) for mistake in mistakes] or ["it is empty"]
        _spoil(tree, f"{shown(name)} has {counted(told)}: {told[0]}", f"kubeiso check {other}")
        return
    tree.value = overlaid({key: each for key, each in at_home(value, other.parent).items() if key != KEY}, tree.value)


def _spoil(tree: Tree, message: str, hint: str) -> None:
    """Nothing is said of what the other recipe may have."""
    tree.spoil((KEY,), message, hint)
    tree.spoilt.add(("runtime",))


def located(name: str, path: Path, project: Project) -> Path | None:
    """The file that is meant: relative to the recipe, or one of recipes/ by its name."""
    candidates = [path.parent / name, project.recipes / f"{name}.yml"]
    return next((each for each in candidates if each.is_file()), None)


def at_home(value: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With files beside the recipe where they are, seen from anywhere."""
    found = dict(value)
    for key, place in (("files", _placed), ("images", _placed), ("manifests", _absolute)):
        if isinstance(value.get(key), list):
            found[key] = [place(entry, folder) for entry in value[key]]
    return found


def _placed(entry: Any, folder: Path) -> Any:
    if isinstance(entry, dict) and "source" in entry:
        return {**entry, "source": _absolute(entry["source"], folder)}
    return entry


def _absolute(name: Any, folder: Path) -> Any:
    return str((folder / name).absolute()) if isinstance(name, str) else name


def overlaid(base: Any, own: Any) -> Any:
    """Groups go together key by key; of all else, the own one is meant alone."""
    if not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    return {**base, **{key: overlaid(base[key], value) if key in base else value for key, value in own.items()}}
