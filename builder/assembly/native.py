"""The root tree without LinuxKit's CLI: Build of LinuxKit's moby/build/build.go, section by section."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from builder import tarball
from builder.assembly.containers import config_json, identifiers, runtime_json, settings_of
from builder.assembly.files import file_entries, sources
from builder.assembly.gojson import indented
from builder.assembly.kernel import kernel_entries
from builder.assembly.layout import layout_entries
from builder.assembly.model import RootTar
from builder.assembly.pax import Entry, PaxWriter, Span
from builder.assembly.references import demand, image_named
from builder.assembly.rootfs import directory, generated, image_tree, labelled, parents
from builder.assembly.shapes import Value
from builder.errors import InputError
from builder.linuxkit.model import ContainerEntry, Document, Volume
from builder.oci import process_of
from builder.progress import step
from builder.references import expand
from builder.store import Digest, Store, file_digest, key_of

RESOLVER = "/run/resolvconf/resolv.conf"
PACKAGE_DATABASE = "lib/apk/db/installed"


class NativeAssembler:
    """Assembles in this process; layers are streamed."""

    name = "native"

    def key(self, document: Document) -> str:
        return key_of("root tree", self.name, program_digest(), document.to_yaml(), sources(document))

    def assemble(self, document: Document, store: Store) -> RootTar:
        """The root tree of a document whose images are in the store; the result is remembered.

        Raises BuildError where an image lacks something, InputError where the document can't be assembled.
        """
        demand(store, document.references())
        root = Digest(store.once(self.key(document), lambda: {"root": self._write(document, store)})["root"])
        return RootTar(root, self.name, store.path(root).stat().st_size)

    def _write(self, document: Document, store: Store) -> Digest:
        with step("assembling the root tree", unit="B") as work, store.writer() as out:
            archive = PaxWriter(out, work.advance)
            for info, content in root_tree(document, store):
                archive.add(info, content)
            archive.close()
        return out.digest


@cache
def program_digest() -> tuple[Digest, ...]:
    """What the code here is, so that a changed assembler does not take an older one's result."""
    here = Path(__file__).parent
    return tuple(file_digest(path) for path in (*sorted(here.glob("*.py")), here.parent / "oci.py", here.parent / "tarball.py"))


def root_tree(document: Document, store: Store) -> Iterator[Entry]:
    """Every entry of the root tree in LinuxKit's order."""
    _check_names(document)
    yield from kernel_entries(document.kernel, store)
    yield from init_entries(document.init, store)
    for index, volume in enumerate(document.volumes or []):
        yield from volume_entries(volume, f"volume[{index}]", store)
    containers = Containers(document, store)
    yield from containers.section("onboot", document.onboot or [], numbered=True)
    yield from containers.section("onshutdown", document.onshutdown or [], numbered=True)
    yield from containers.section("services", document.services or [], numbered=False)
    yield from file_entries(document, containers.ids)


def _check_names(document: Document) -> None:
    for kind, names in {
        "services": [service.name for service in document.services or []],
        "volumes": [volume.name for volume in document.volumes or []],
    }.items():
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"{kind}: {', '.join(twice)} occurs more than once")


def init_entries(references: Iterable[str], store: Store) -> Iterator[Entry]:
    """The init images' trees over each other, then one database of Alpine packages made from those of all."""
    databases: list[bytes] = []
    for index, reference in enumerate(references):
        for info, content in image_tree(store, reference, "", f"init[{index}]", RESOLVER):
            if info.name == PACKAGE_DATABASE:
                databases.append(content.read() if isinstance(content, Span) else b"")
            yield info, content
    if len(databases) > 1:
        merged = b"".join(database + b"\n\n" for database in databases)
        info = tarball.entry(PACKAGE_DATABASE, mode=0o644, size=len(merged))
        info.mtime = 0
        yield labelled(info, "LINUXKIT.apkinit", "init"), merged


def volume_entries(volume: Volume, location: str, store: Store) -> Iterator[Entry]:
    """The volume's lower directory with its image, if it has one, and the mount points beside it."""
    if not re.fullmatch("[a-z0-9_-]*", volume.name):
        raise InputError(f"{location}: the name {volume.name!r} has other characters than a-z, 0-9, _ and -")
    base = f"containers/volumes/{volume.name}"
    if not volume.image:
        yield from parents(f"{base}/lower", "empty", location)
    elif volume.format == "oci":
        source = expand(volume.image)
        yield from parents(f"{base}/lower", source, location)
        for info, content in layout_entries(store, volume.image, volume.platforms or []):
            info.name = f"{base}/lower/{info.name}"
            yield labelled(info, source, location), content
    else:
        yield from image_tree(store, volume.image, f"{base}/lower", location, RESOLVER)
    for name in ("tmp/", "merged/"):
        yield directory(f"{base}/{name}", "linuxkit.volumes", location)


class Containers:
    """The bundles of a document's containers. An image that several of them use is unpacked for the first one alone."""

    def __init__(self, document: Document, store: Store) -> None:
        self.ids = identifiers(document)
        self._store = store
        self._volumes = {volume.name: bool(volume.readonly) for volume in document.volumes or []}
        self._unpacked: dict[str, str] = {}

    def section(self, name: str, containers: Iterable[ContainerEntry], *, numbered: bool) -> Iterator[Entry]:
        for index, container in enumerate(containers):
            prefix = f"{index:03d}-" if numbered else ""
            yield from self._bundle(container, f"containers/{name}/{prefix}{container.name}", f"{name}[{index}]")

    def _bundle(self, container: ContainerEntry, path: str, location: str) -> Iterator[Entry]:
        source = expand(container.image)
        process = process_of(self._store, image_named(self._store, container.image))
        settings = settings_of(container, process, self._volumes, f"{location} ({container.name})")
        readonly = bool(settings.get("readonly", False))
        first = source not in self._unpacked
        root = self._unpacked.setdefault(source, f"{path}/{'rootfs' if readonly else 'lower'}")
        yield from image_tree(self._store, container.image, root, location) if first else parents(path, source, location)
        yield generated(f"{path}/config.json", indented(config_json(settings, process, self.ids)), source, location)
        for name in _mount_points(readonly, first):
            yield directory(f"{path}/{name}", source, location)
        runtime = runtime_json(settings, _root_mounts(path, root, readonly))
        yield generated(f"{path}/runtime.json", indented(runtime), source, location)


def _mount_points(readonly: bool, first: bool) -> tuple[str, ...]:
    if not readonly:
        return ("tmp", "rootfs")
    return () if first else ("rootfs",)


def _root_mounts(path: str, root: str, readonly: bool) -> list[Value]:
    """What makes rootfs/: a bind of the unpacked image, or an overlay over it with a tmpfs for the changes."""
    rootfs, changes = f"/{path}/rootfs", f"/{path}/tmp"
    if readonly:
        return [{"source": f"/{root}", "destination": rootfs, "options": ["bind"]}]
    layers = [f"lowerdir=/{root}", f"upperdir={changes}/upper", f"workdir={changes}/work"]
    return [
        {"source": "tmpfs", "type": "tmpfs", "destination": changes},
        {"destination": changes, "options": ["remount", "private"]},
        {"source": "overlay", "type": "overlay", "destination": rootfs, "options": layers},
    ]
