"""Reads runtimes/NAME.yml, handlers/NAME.yml, storage/NAME.yml and networks/NAME.yml.

The texts of their files can have values, as those of a recipe do: {{ network.NAME }} of what the recipe says of the network,
{{ image.NAME }} or {{ image['NAME'] }}, the name of the image that a folder of pkg/ becomes, and {{ images.pinned }}, a list as
JSON of patterns for all images that the node brings.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel

from builder.errors import InputError
from builder.project import Project
from builder.reading.document import load, planted, valid
from builder.reading.mistake import Mistake, Place
from builder.reading.source import Kind, line_within
from builder.reading.tree import Tree
from builder.reading.values import Values
from builder.reading.words import one_of
from builder.spec.model import Addition, Expected, Handler, PodNetwork, Policies, Runtime
from builder.spec.versions import minor

D = TypeVar("D", bound=BaseModel)

KIND = Kind("description", "title: what it is")
POLICIES = "networks/policies"
# Every image that the node itself brings; CRI-O takes such patterns.
OURS = ("registry.k8s.io/*", "docker.io/kubeiso/*")
NETWORK = ("pod_subnet", "node_pod_subnet", "service_subnet", "domain")
GIVE = {
    "network": f"there are {', '.join(f'network.{name}' for name in NETWORK)}", "image": "there is no folder {} in pkg/",
    "images": "there is images.pinned",
}  # fmt: skip


def runtime(project: Project, name: str, image_stores: Collection[str]) -> Runtime:
    """image_stores: those that can be made."""
    return _load(project, "runtimes", name, Runtime, image_stores)


def handler(project: Project, name: str) -> Handler:
    return _load(project, "handlers", name, Handler)


def with_handlers(name: str, runtime: Runtime, handlers: Iterable[Handler]) -> Runtime:
    """The runtime `name` with those of the handlers that work with it."""
    for each in handlers:
        runtime = each.join(name, runtime) if name in each.runtimes else runtime
    return runtime


def addition(project: Project, folder: str, name: str) -> Addition:
    """folder: storage or guest_tools."""
    return _load(project, folder, name, Addition)


def with_additions(runtime: Runtime, additions: Iterable[Addition]) -> Runtime:
    for each in additions:
        runtime = each.join(runtime)
    return runtime


def pod_network(project: Project, name: str, *, policies: bool = False) -> PodNetwork:
    """The network; with policies, also what enforces them, where its description names something."""
    network = _load(project, "networks", name, PodNetwork)
    if not (policies and network.policies):
        return network
    return network.with_policies(_load(project, POLICIES, network.policies, Policies))


def expected(project: Project, version: str) -> Expected | None:
    """What kubeadm of that version of Kubernetes asks for; None where its pins say nothing of it."""
    path = project.pkg / "kubernetes" / minor(version) / "minor.yml"
    return load(path, Expected, KIND) if path.is_file() else None


def _load(project: Project, folder: str, name: str, model: type[D], image_stores: Collection[str] = ()) -> D:
    path = project.folder(folder) / f"{name}.yml"
    if not path.is_file():
        known = [other.stem for other in project.folder(folder).glob("*.yml")]
        raise InputError(f"there is no {folder}/{path.name}", hint=one_of(name, known) or "none is described yet")
    tree = planted(path, KIND)
    found = [mistake for rule in (_folders, _runtimes, _holes) for mistake in rule(tree, project)]
    return valid(tree, model, path, KIND, more=[*_store(tree, image_stores), *found])


def _store(tree: Tree, known: Collection[str]) -> Iterator[Mistake]:
    name = tree.at("image_store")
    if isinstance(name, str) and known and name not in known:
        yield tree.mistake(("image_store",), f"nobody makes the image store {name}", f"known: {', '.join(sorted(known))}")


def _parts(tree: Tree) -> Iterator[Place]:
    """Where a description has lists of folders and of files: at its top, and for each of these keys."""
    yield ()
    for key in ("runtimes", "cri"):
        given = tree.at(key)
        yield from ((key, name) for name in (given if isinstance(given, dict) else ()))


def _listed(tree: Tree, *keys: str) -> Iterator[tuple[Place, object]]:
    """The entries of each list of these names."""
    for part in _parts(tree):
        for key in keys:
            yield from tree.listed(*part, key)


def _folders(tree: Tree, project: Project) -> Iterator[Mistake]:
    """The folders of pkg/ that are named are there."""
    known = [path.parent.name for path in project.pkg.glob("*/image.yml")]
    for place, name in _listed(tree, "init", "onboot", "services", "images"):
        if isinstance(name, str) and name not in known:
            yield tree.mistake(place, f"pkg/ has no image {name}", one_of(name, known))


def _runtimes(tree: Tree, project: Project) -> Iterator[Mistake]:
    """The runtimes that a handler works with are described."""
    known = [path.stem for path in project.folder("runtimes").glob("*.yml")]
    for place in _parts(tree):
        if place[:1] == ("runtimes",) and place[1] not in known:
            yield tree.mistake(place, f"unknown runtime {place[1]}", one_of(str(place[1]), known), key=True)


def _holes(tree: Tree, project: Project) -> Iterator[Mistake]:
    """What the texts of files name is there; the values themselves depend on the recipe."""
    names = [path.parent.name for path in project.pkg.glob("*/image.yml")]
    values = description_values(dict.fromkeys(NETWORK, ""), dict.fromkeys(names, ""))
    for place, _ in _listed(tree, "files"):
        text = tree.at(*place, "contents")
        path = (*place, "contents")
        for fault in values.fill(text)[1] if isinstance(text, str) else ():
            yield tree.mistake(path, fault.message, fault.hint, line=line_within(tree, path, fault))


def description_values(network: Mapping[str, str], images: Mapping[str, str], held: Iterable[str] = ()) -> Values:
    """held: the names of the recipe's further images for pods."""
    pinned = {"pinned": json.dumps([*OURS, *held])}
    return Values({"network": network, "image": images, "images": pinned}, GIVE)
