"""What is on a medium: images, components with what is linked into them, Debian packages, each with its licence and its maker."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from builder.architecture import platform
from builder.components.model import INITRD, Component, DebianPackage
from builder.provenance import purl
from builder.provenance.bill import CONTAINS, DESCRIBES, DOCUMENT, TOOL, Bill, Part
from builder.provenance.gomodules import Module
from builder.provenance.licences import Terms, of_debian, of_modules
from builder.provenance.model import Built, Node, Parts
from builder.references import split
from builder.store import Digest, Store

DEBIAN = "Debian"
"""Who supplies its packages."""


def bill_of(node: Node, parts: Parts, modules: Mapping[Digest, tuple[Module, ...]], store: Store, name: str) -> Bill:
    """What a role's node is made of, on a medium of whatever format.

    parts: those of the role. modules: the Go modules in each of the components' files. name: the node's in the bill.
    """
    return _Sbom(node, parts, modules, store).made(name)


def with_medium(bill: Bill, built: Built, parts: Parts, tools: Mapping[str, str], store: Store) -> Bill:
    """The bill of one medium of the node, with what it carries itself. tools: the versions of what wrote the medium."""
    whole, media = Bill(), built.media
    whole.parts, whole.relations = dict(bill.parts), {each for each in bill.relations if each[0] != DOCUMENT}
    medium = whole.add(
        Part("Medium", media.path.name, built.spec.id, sha256=media.sha256, purpose="OPERATING_SYSTEM", file=media.path.name)
    )
    whole.relate(DOCUMENT, DESCRIBES, medium)
    for node in bill.described():
        whole.relate(medium, CONTAINS, node)
    for carried, program in built.maker.carried.items():
        whole.relate(medium, CONTAINS, whole.add(_plain(carried, tools[program].rpartition(" ")[2])))
    for folder in built.maker.folders:
        for package in parts.contents[folder].packages:
            whole.relate(medium, CONTAINS, whole.add(_debian(package, parts.suite, of_debian(package, store))))
    return whole


def programs(parts: Parts) -> dict[str, dict[str, Digest]]:
    """Component -> those of its files that are on the medium or that wrote it."""
    named: dict[str, set[str]] = {name: set(parts.components[name].files) for name in (INITRD, parts.store_tool) if name}
    for contents in parts.contents.values():
        for name, files in contents.description.components.items():
            named.setdefault(name, set()).update(files)
    return {name: {file: parts.components[name].files[file] for file in sorted(named[name])} for name in sorted(named)}


def _plain(name: str, version: str) -> Part:
    """What came with this host's packages."""
    return Part("Host", name, version, purl=purl.generic(name, version))


class _Sbom:
    def __init__(self, node: Node, parts: Parts, modules: Mapping[Digest, tuple[Module, ...]], store: Store) -> None:
        self._node, self._parts, self._modules, self._store = node, parts, modules, store
        self._bill = Bill()
        self._folders = {image.reference: folder for folder, image in parts.images.items()}
        self._programs = programs(parts)
        used = {module for files in self._programs.values() for file in files.values() for module in modules.get(file, ())}
        self._terms = of_modules(used, store)

    def made(self, name: str) -> Bill:
        node = self._bill.add(Part("Node", name, self._node.spec.id, purpose="OPERATING_SYSTEM"))
        self._bill.relate(DOCUMENT, DESCRIBES, node)
        for reference in self._node.document.references():
            self._contains(node, self._image(reference))
        self._contains(node, self._component(self._parts.components[INITRD]))
        if self._parts.store_tool:
            self._bill.relate(self._component(self._parts.components[self._parts.store_tool]), TOOL, node)
        return self._bill

    def _contains(self, whole: str, part: str) -> None:
        self._bill.relate(whole, CONTAINS, part)

    def _image(self, reference: str) -> str:
        """An image with what is in it; of one that is not ours nothing more is known than its digest."""
        parts = split(reference)
        locator = purl.oci(parts.name, parts.digest, platform(self._node.spec.platform).oci)
        version = parts.tag or parts.digest
        made = self._bill.add(Part("Image", parts.name, version, purl=locator, sha256=parts.digest, purpose="CONTAINER"))
        if reference == self._node.image_store.reference:
            for carried in self._node.spec.container_images:
                self._contains(made, self._image(carried))
        if reference in self._folders:
            for part in self._content(self._folders[reference]):
                self._contains(made, part)
        return made

    def _content(self, folder: str) -> Iterator[str]:
        contents = self._parts.contents[folder]
        for name in contents.description.components:
            yield self._component(self._parts.components[name])
        for package in contents.packages:
            yield self._bill.add(_debian(package, self._parts.suite, of_debian(package, self._store)))

    def _component(self, component: Component) -> str:
        """A component with the Go modules and the C libraries that are linked into its files."""
        files = self._programs[component.name]
        made = self._bill.add(
            Part(
                "Component", component.name, component.version, purpose="APPLICATION",
                source=f"from the source {component.source}; files: {', '.join(f'{file} {files[file]}' for file in files)}",
            )
        )  # fmt: skip
        for module in sorted({module for file in files.values() for module in self._modules.get(file, ())}, key=str):
            self._contains(made, self._bill.add(_module(module, self._terms[module])))
        _, *libraries = self._parts.c_parts.get(component.name, ("no compiler",))
        for library in libraries:
            name, version = library.rsplit(" ", 1)
            self._contains(made, self._bill.add(_plain(name, version)))
        return made


def _module(module: Module, terms: Terms) -> Part:
    """Its supplier is whoever has the name that its path begins with."""
    return Part(
        "Go", module.path, module.version, purl=purl.golang(module), licence=terms.expression, words=terms.words,
        supplier=module.path.partition("/")[0] if "/" in module.path else "The Go Authors",
        source=f"checksum in go.sum: {module.sum}" if module.sum else "",
    )  # fmt: skip


def _debian(package: DebianPackage, suite: str, terms: Terms) -> Part:
    """Its source's name is the folder that it lies in (Debian Policy leaves that to the archive: pool/main/s/SOURCE/FILE)."""
    source = PurePosixPath(package.path).parent.name
    return Part(
        "Debian", package.name, package.version, purl=purl.debian(package, suite), sha256=package.sha256, supplier=DEBIAN,
        licence=terms.expression, words=terms.words, source=f"from Debian's source package {source}",
    )  # fmt: skip
