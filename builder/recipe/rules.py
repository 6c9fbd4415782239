"""What one value alone can't tell: values that must agree, and what has to lie beside the recipe.

Each rule looks at the tree, not at a Recipe, so that it speaks even when something else in the file is wrong.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from builder.project import Project
from builder.reading.mistake import Mistake, Place, dotted
from builder.reading.tree import Tree
from builder.reading.words import one_of, shown
from builder.recipe.manifests import ailing
from builder.recipe.model import LONGEST_TEXT, MOUNTED_OVER, Network
from builder.references import split

# kubeadm's own bounds, with its default of a /24 for each node (kubeadm 1.36: constants.go PodSubnetNodeMaskMaxDiff,
# MaximumBitsForServiceSubnet, MinimumAddressesInServiceSubnet; validation.go ValidatePodSubnetNodeMask).
POD_PREFIX = range(8, 25)
SERVICE_PREFIX = range(12, 29)

KINDS = ("contents", "source", "symlink", "directory")
PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Case:
    """A recipe's tree, and where the recipe and the project are."""

    tree: Tree
    folder: Path
    project: Project

    def descriptions(self, folder: str) -> list[str]:
        """The names that runtimes/, handlers/, storage/, guest_tools/ or networks/ describe."""
        return sorted(file.stem for file in self.project.folder(folder).glob("*.yml"))

    def images(self) -> list[str]:
        return sorted(file.parent.name for file in self.project.pkg.glob("*/image.yml"))


Rule = Callable[[Case], Iterable[Mistake]]


def known_runtime(case: Case) -> Iterator[Mistake]:
    yield from _described(case, ("runtime",), "runtimes", "runtime")


def known_handlers(case: Case) -> Iterator[Mistake]:
    yield from _each_described(case, "handlers", "handler")


def known_storage(case: Case) -> Iterator[Mistake]:
    yield from _each_described(case, "storage", "storage client")


def known_guest_tools(case: Case) -> Iterator[Mistake]:
    yield from _each_described(case, "guest_tools", "guest tools")


def _each_described(case: Case, key: str, what: str) -> Iterator[Mistake]:
    """Each is described in the folder of the key's name, and named once."""
    for place, _ in case.tree.listed(key):
        yield from _described(case, place, key, what)
    yield from _given_once(case, key)


def _given_once(case: Case, *path: str) -> Iterator[Mistake]:
    """No name of the list is there twice."""
    for place, name, _ in _again(case.tree.listed(*path)):
        yield case.tree.mistake(place, f"{name} is given twice", "keep one of them")


def _again(entries: Iterable[tuple[Place, object]]) -> Iterator[tuple[Place, str, Place]]:
    """Each text that an earlier entry is, too: its place, itself, and the place of the first."""
    first: dict[str, Place] = {}
    for place, name in entries:
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield place, name, first[name]


def _named(case: Case, key: str) -> list[tuple[Place, object]]:
    """The names of what the list holds, each with its place."""
    return [((*place, "name"), case.tree.at(*place, "name")) for place, _ in case.tree.listed(key)]


def each_once(case: Case) -> Iterator[Mistake]:
    yield from _given_once(case, "media", "formats")
    yield from _given_once(case, "manifests")


def users_once(case: Case) -> Iterator[Mistake]:
    """No two users have one name."""
    for place, name, _ in _again(_named(case, "users")):
        yield case.tree.mistake(place, f"another user has the name {shown(name)}", "give the first all keys")


def known_network(case: Case) -> Iterator[Mistake]:
    yield from _described(case, ("network", "cni"), "networks", "network")


def _described(case: Case, path: Place, folder: str, what: str) -> Iterator[Mistake]:
    """The name at the path, or the default, is one that the folder describes."""
    name = case.tree.at(*path, default=Network().cni if path[-1] == "cni" and path not in case.tree.nodes else None)
    known = case.descriptions(folder)
    if isinstance(name, str) and name not in known:
        hint = one_of(name, known) or f"{folder}/ has no description yet"
        yield case.tree.mistake(path, f"unknown {what} {shown(name)}", hint)


def subnets(case: Case) -> Iterator[Mistake]:
    """Pods and Services have subnets of a size that kubeadm takes, and no address in common."""
    usual = Network()
    pods = _subnet(case.tree, "pod_subnet", usual.pod_subnet)
    services = _subnet(case.tree, "service_subnet", usual.service_subnet)
    for key, subnet, sizes in (("pod_subnet", pods, POD_PREFIX), ("service_subnet", services, SERVICE_PREFIX)):
        if subnet and subnet.prefixlen not in sizes:
            message = f"kubeadm takes no /{subnet.prefixlen} here"
            yield case.tree.mistake(("network", key), message, f"from /{sizes[0]} to /{sizes[-1]}")
    if pods and services and pods.overlaps(services):
        later = max(("pod_subnet", "service_subnet"), key=lambda key: _line(case.tree, ("network", key)))
        message = f"pod_subnet {pods} and service_subnet {services} overlap"
        yield case.tree.mistake(("network", later), message, "choose separate ranges")


def _subnet(tree: Tree, key: str, usual: str) -> IPv4Network | None:
    path = ("network", key)
    try:
        return IPv4Network(str(tree.at(*path) if path in tree.nodes else usual))
    except ValueError:
        return None  # said already


def _line(tree: Tree, path: Place) -> int:
    return int(tree.nodes[path].start_mark.line) if path in tree.nodes else -1


def one_kind(case: Case) -> Iterator[Mistake]:
    """Each file is exactly one of a text, a copy, a link and a directory."""
    for path, file in case.tree.listed("files"):
        if not isinstance(file, dict):
            continue
        empty = [kind for kind in KINDS[:3] if kind in file and file[kind] is None and not case.tree.is_spoilt((*path, kind))]
        for kind in empty:
            yield case.tree.mistake(
                (*path, kind), "expected a text, got nothing", "leave the key out, or write '' for an empty text"
            )
        given = [kind for kind in KINDS if kind in file and file[kind] is not False]
        if len(given) > 1:
            yield case.tree.mistake(path, f"{' and '.join(given)} are both given", "keep one of them")
        elif not given:
            yield case.tree.mistake(path, "nothing says what the file is", f"give one of {', '.join(KINDS)}")


def sources(case: Case) -> Iterator[Mistake]:
    """Each source is a file that can be read."""
    for path, _ in case.tree.listed("files"):
        name = case.tree.at(*path, "source")
        if isinstance(name, str) and (problem := unreadable(case.folder / name)):
            yield case.tree.mistake((*path, "source"), f"{shown(name)} {problem}", "the path is relative to the recipe's folder")


def manifests(case: Case) -> Iterator[Mistake]:
    """Each holds objects of Kubernetes."""
    for place, name in case.tree.listed("manifests"):
        if not isinstance(name, str):
            continue
        file = case.folder / name
        if problem := unreadable(file):
            yield case.tree.mistake(place, f"{shown(name)} {problem}", "the path is relative to the recipe's folder")
        elif file.stat().st_size > LONGEST_TEXT:
            yield case.tree.mistake(place, f"{shown(name)} is longer than {LONGEST_TEXT >> 20} MiB", "split it")
        elif problem := ailing(file):
            yield case.tree.mistake(place, f"{shown(name)} {problem}", "write what kubectl apply takes")


def pod_images(case: Case) -> Iterator[Mistake]:
    """Each has a source that can be read, or the digest by which its registry is asked; and a name of its own."""
    seen: dict[str, Place] = {}
    for place, _ in case.tree.listed("images"):
        name, source = (case.tree.at(*place, key) for key in ("name", "source"))
        if isinstance(source, str):
            file = case.folder / source
            problem = "" if (file / "oci-layout").is_file() else unreadable(file)
            if problem:
                hint = "the path, of a tar or a folder with an OCI layout, is relative to the recipe's folder"
                yield case.tree.mistake((*place, "source"), f"{shown(source)} {problem}", hint)
        elif isinstance(name, str) and "@" not in name and split(name).tag:  # without one more is wrong
            message = f"{shown(name)} has neither a source nor a digest"
            yield case.tree.mistake((*place, "name"), message, "add source: FILE, or write NAME:TAG@sha256:... (64 hex digits)")
        plain = split(str(name)).name
        if isinstance(name, str) and plain in seen:
            yield case.tree.mistake((*place, "name"), f"{shown(plain)} is here a second time (first: {dotted(seen[plain])})")
        seen.setdefault(plain, place)


def unreadable(file: Path) -> str:
    """Why a file can't be read, or ""."""
    try:
        if file.is_dir():
            return "is a directory"
        if not file.exists():
            return "does not exist"
        if not file.is_file():
            return "is no regular file"
        file.open("rb").close()
    except (OSError, ValueError) as error:
        return f"can't be read: {getattr(error, 'strerror', None) or error}"
    return ""


def visible_files(case: Case) -> Iterator[Mistake]:
    """No file is hidden on the node, and no path is written twice."""
    seen: dict[str, Place] = {}
    for path, _ in case.tree.listed("files"):
        name = case.tree.at(*path, "path")
        if not isinstance(name, str):
            continue
        where = name.strip("/")
        top = where.partition("/")[0]
        if top in MOUNTED_OVER - {"var"} and where != top:
            message = f"hidden on the node, which mounts a file system of its own on /{top}"
            yield case.tree.mistake((*path, "path"), message, "put it elsewhere, say in /etc")
        if where in seen:
            yield case.tree.mistake((*path, "path"), f"{shown(name)} is here a second time (first: {dotted(seen[where])})")
        seen.setdefault(where, path)


def named_once(case: Case) -> Iterator[Mistake]:
    """Services have names of their own, and a role stands once in its list."""
    for entries in (_named(case, "services"), case.tree.listed("roles")):
        for place, name, first in _again(entries):
            yield case.tree.mistake(place, f"{shown(name)} is here a second time (first: {dotted(first)})")


def images(case: Case) -> Iterator[Mistake]:
    """A service's image is a folder of pkg/ or a reference with a digest; what is replaced is ours, and by such a reference."""
    known = case.images()
    replaced = case.tree.at("replace")
    names = [name for name in replaced if isinstance(name, str)] if isinstance(replaced, dict) else []
    for name in names:
        if name not in known:
            hint = one_of(name, known) or "pkg/ has no images yet"
            yield case.tree.mistake(("replace", name), f"there is no image {shown(name)} of ours", hint, key=True)
        yield from _pinned(case.tree, ("replace", name))
    for path, _ in case.tree.listed("services"):
        if case.tree.at(*path, "image") not in known:
            yield from _pinned(case.tree, (*path, "image"), known)


def kernel_variant(case: Case) -> Iterator[Mistake]:
    """It is a folder kernel-NAME of pkg/."""
    variant = case.tree.at("kernel", "variant")
    known = [name.removeprefix("kernel-") for name in case.images() if name.startswith("kernel-")]
    if isinstance(variant, str) and variant not in known:
        yield case.tree.mistake(("kernel", "variant"), f"there is no kernel {shown(variant)}", one_of(variant, known))


def firmware(case: Case) -> Iterator[Mistake]:
    """Each is a folder of pkg/, named once."""
    known = case.images()
    for place, name in case.tree.listed("firmware", "images"):
        if isinstance(name, str) and name not in known:
            yield case.tree.mistake(place, f"there is no image {shown(name)} of ours", one_of(name, known))
    yield from _given_once(case, "firmware", "images")


def volumes(case: Case) -> Iterator[Mistake]:
    """What a service binds is a path of the node: a recipe has no volumes."""
    for path, _ in case.tree.listed("services"):
        settings = (*path, "linuxkit")
        binds = [place for key in ("binds", "binds.add") for place, _ in case.tree.listed(*settings, key)]
        mounts = [
            (*place, "source") for place, _ in case.tree.listed(*settings, "mounts") if case.tree.at(*place, "type") == "bind"
        ]
        for place in (*binds, *mounts):
            source = case.tree.at(*place)
            name = source.partition(":")[0] if isinstance(source, str) else "/"
            if name and not name.startswith("/") and (place in mounts or ":" in str(source)):
                yield case.tree.mistake(place, f"there is no volume {shown(name)}", "a path on the node begins with /")


def state_in_vain(case: Case) -> Iterator[Mistake]:
    """Nobody says which disk a node takes that takes none."""
    if case.tree.at("state", "need") != "none":
        return
    for key in ("label", "path", "smallest", "format"):
        if case.tree.at("state", key) is not None:
            hint = "leave it out, or write need: required or optional"
            yield case.tree.mistake(("state", key), "has no effect: with need: none the node takes no disk", hint, key=True)


def swap_in_vain(case: Case) -> Iterator[Mistake]:
    """Swap lies on the state disk."""
    if case.tree.at("swap", "size") is not None and case.tree.at("state", "need") == "none":
        yield case.tree.mistake(("swap", "size"), "has no effect: with state.need: none there is no disk for it", key=True)


def proxy_in_vain(case: Case) -> Iterator[Mistake]:
    """Nobody says what goes without a proxy where there is none."""
    if case.tree.at("proxy", "no_proxy") and not any(case.tree.at("proxy", key) for key in ("http", "https")):
        hint = "leave it out, or name a proxy by http or https"
        yield case.tree.mistake(("proxy", "no_proxy"), "has no effect: there is no proxy", hint, key=True)


def profiles(case: Case) -> Iterator[Mistake]:
    """Each text defines the profile of its name, in AppArmor's own words (apparmor.d(5))."""
    given = case.tree.at("apparmor")
    for name, text in given.items() if isinstance(given, dict) else ():
        if isinstance(name, str) and isinstance(text, str):
            defined = re.findall(r'^[ \t]*profile[ \t]+"?([^\s"{(]+)', text, re.MULTILINE)
            if name not in defined:
                hint = f"{one_of(name, defined) or 'it has no profile'}; write `profile {name} {{ ... }}`"
                yield case.tree.mistake(("apparmor", name), f"the text has no profile {shown(name)}", hint)


def _pinned(tree: Tree, path: Place, known: Sequence[str] = ()) -> Iterator[Mistake]:
    """The image at the path has a digest; one that looks like a name was meant to be one of the known."""
    image = tree.at(*path)
    if not isinstance(image, str) or PINNED.fullmatch(image):
        return
    if known and not any(mark in image for mark in "/:@"):
        yield tree.mistake(path, f"unknown image {shown(image)}", one_of(image, known))
    else:
        yield tree.mistake(
            path, f"the image reference {shown(image)} has no digest", "write it as NAME@sha256:... (64 hex digits)"
        )


RULES: tuple[Rule, ...] = (
    known_runtime, known_handlers, known_storage, known_guest_tools, known_network, each_once, users_once, subnets, one_kind,
    sources, pod_images, manifests, visible_files, named_once, images, kernel_variant, firmware, volumes, state_in_vain,
    swap_in_vain, proxy_in_vain, profiles,
)  # fmt: skip
