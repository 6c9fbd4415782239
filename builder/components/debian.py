"""Debian packages by the pins of components.lock: fetched beside one another, each verified before it enters the store."""

import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from builder.aside import write_aside
from builder.components.mirrors import archive
from builder.components.model import DebianPackage, Lock
from builder.download import NotThere, Remote, fetch
from builder.errors import BuildError, InputError
from builder.progress import Step, step
from builder.reading.document import planted, valid
from builder.reading.mistake import Mistake
from builder.reading.source import Kind
from builder.reading.tree import Tree
from builder.reading.words import did_you_mean
from builder.store import Digest, Store

CONNECTIONS = 4
HEADER = "# Made by `kubeiso lock --update`: what it holds is pinned, and nothing here is written by hand.\n"
KIND = Kind("lock", "suite: trixie", made=True)
RENEW = "kubeiso lock --update   renews the pins"


def load_lock(path: Path) -> Lock:
    """Raises InputError for a file that is missing, and with every mistake of one that is no lock, each with its place."""
    if not path.exists():
        raise InputError(f"{path} is missing", why="it pins the Debian packages", hint=RENEW)
    try:
        tree = planted(path, KIND)
        return valid(tree, Lock, path, KIND, _unpinned(tree))
    except InputError as error:
        raise InputError(f"{path} is not a lock file", details=error.details, hint=RENEW) from error


def _unpinned(tree: Tree) -> Iterator[Mistake]:
    """The names in sets that no package has."""
    packages, sets = tree.at("packages", default={}), tree.at("sets", default={})
    if isinstance(packages, dict) and isinstance(sets, dict):
        for name in sets:
            for place, package in tree.listed("sets", name):
                if isinstance(package, str) and package not in packages:
                    yield tree.mistake(place, f"there is no package {package}", did_you_mean(package, packages))


def save_lock(lock: Lock, path: Path) -> None:
    """Writes the lock, sorted, so that the same pins give the same bytes."""
    text = HEADER + yaml.safe_dump(lock.model_dump(mode="json"), sort_keys=True, width=120)
    write_aside(path, text)


def pinned(set_name: str, lock: Lock, asked: Iterable[str] = ()) -> list[DebianPackage]:
    """The packages of a set, sorted by name. Raises InputError where the lock lacks it, or one of those asked for."""
    try:
        found = {name: lock.packages[name] for name in sorted(lock.sets[set_name])}
    except KeyError as error:
        raise InputError(f"components.lock has no packages for {set_name}", why=f"{error} is not in it", hint=RENEW) from error
    if missing := sorted(set(asked) - set(found)):
        raise InputError(
            f"components.lock lacks packages of {set_name}", details=tuple(f"{name} has no pin" for name in missing), hint=RENEW
        )
    return list(found.values())


def debs(set_name: str, lock: Lock, store: Store, *, offline: bool = False) -> list[Digest]:
    """The .deb files of a set, in the order of their packages' names; all are in the store.

    Raises BuildError naming the packages that can't be had: gone from the mirror, another checksum, no answer, offline.
    """
    packages = pinned(set_name, lock)
    missing = [package for package in packages if not store.has(package.sha256)]
    if missing and offline:
        raise BuildError(
            f"{len(missing)} Debian packages of {set_name} are not in the cache", why="--offline forbids to fetch them",
            details=tuple(f"{package.name} {package.version}" for package in missing), hint="run once without --offline",
        )  # fmt: skip
    if missing:
        _fetch_all(set_name, missing, store)
    return [package.sha256 for package in packages]


def _fetch_all(set_name: str, packages: Sequence[DebianPackage], store: Store) -> None:
    addresses = {name: archive(name) for name in sorted({package.archive for package in packages})}
    pool = ThreadPoolExecutor(CONNECTIONS)
    with step(f"fetch {len(packages)} Debian packages for {set_name}", total=sum(p.size for p in packages), unit="B") as work:
        meter = _Meter(work)
        waiting = [pool.submit(_fetch, package, addresses[package.archive], store, meter) for package in packages]
        try:
            for each in waiting:
                each.result()
        finally:  # without a wait: a source that stalls would hold up an error, or Ctrl-C, for half a minute
            pool.shutdown(wait=False, cancel_futures=True)


class _Meter:
    """One step that several threads advance."""

    def __init__(self, work: Step) -> None:
        self._work, self._lock = work, threading.Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self._work.advance(size)


def _fetch(package: DebianPackage, address: str, store: Store, meter: _Meter) -> Digest:
    title = f"Debian package {package.name} {package.version}"
    try:
        return fetch(
            Remote(f"{address}/{urllib.parse.quote(package.path)}", package.sha256, package.size, title), store, moved=meter
        )
    except NotThere as error:
        raise NotThere(
            f"{title} is no longer on the mirror", details=error.details, why=error.why,
            hint=f"{RENEW}; or set KUBEISO_DEBIAN_MIRROR to an archive that keeps old versions",
        ) from error  # fmt: skip
