"""The pins: read, resolved anew, or made for a further version of Kubernetes."""

from builder.components import pinning
from builder.components.debian import load_lock, save_lock
from builder.components.description import describe, minors, names
from builder.components.kubernetes import NAME
from builder.components.model import Lock
from builder.components.renew import changes, releases
from builder.components.resolve import update_lock as resolve
from builder.frozen import Frozen
from builder.images.description import load_description
from builder.pipeline.kubernetes import chosen_version
from builder.progress import note
from builder.project import Project
from builder.spec.descriptions import expected
from builder.store import Store

SUITE = "trixie"
"""Debian's stable suite in 2026, with kernel 6.12, the series that LinuxKit ships too."""


def read_lock(project: Project) -> Lock:
    return load_lock(project.lock)


def update_lock(project: Project, store: Store) -> Lock:
    """Resolves the packages of all folders of pkg/ and releases' checksums anew, writes components.lock, tells what changed."""
    wanted = {}
    for path in sorted(project.pkg.glob("*/image.yml")):
        description = load_description(path.parent)
        if description.packages:
            wanted[path.parent.name] = (description.packages, description.without)
    before = load_lock(project.lock) if project.lock.exists() else Lock()
    found = releases(project, before.releases)
    lock = resolve(wanted, SUITE, store).model_copy(update={"releases": found})
    save_lock(lock, project.lock_to_write)
    for line in changes(before, lock):
        note(line)
    return lock


DEPLOYED = ("etcd", "coredns")


class Pinned(Frozen):
    """A version of Kubernetes that a recipe can name. deploys: etcd and CoreDNS, as the node has them."""

    version: str
    default: bool
    conformance: bool
    deploys: dict[str, str]


def pinned_kubernetes(project: Project) -> list[Pinned]:
    """The versions that have pins, oldest first."""
    return [_pinned(project, describe(NAME, project, each).version) for each in minors(NAME, project) or ("",)]


def _pinned(project: Project, version: str) -> Pinned:
    asked = expected(project, version)
    known = [name for name in DEPLOYED if name in names(project)]
    deploys = {name: describe(name, project, version if minors(name, project) else "").version for name in known}
    default = version == chosen_version(project, None)
    return Pinned(version=version, default=default, conformance=asked is None or asked.conformance, deploys=deploys)


available = pinning.available
add_kubernetes = pinning.add_kubernetes
