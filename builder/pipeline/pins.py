"""The pins: read, or resolved anew."""

from builder.components.debian import load_lock, save_lock
from builder.components.model import Lock
from builder.components.renew import changes, releases
from builder.components.resolve import update_lock as resolve
from builder.images.description import load_description
from builder.progress import note
from builder.project import Project
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
