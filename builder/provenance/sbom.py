"""What is on a medium, as an SPDX document: images, components with what is linked into them, Debian packages."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.architecture import platform
from builder.components.model import INITRD, Component
from builder.provenance import purl
from builder.provenance.gomodules import Module
from builder.provenance.model import Built, Parts
from builder.provenance.spdx import DOCUMENT, Bill
from builder.references import split
from builder.store import Digest


def sbom(
    built: Built, parts: Parts, modules: Mapping[Digest, tuple[Module, ...]], tools: Mapping[str, str], name: str
) -> dict[str, Any]:
    """The SPDX document `name` of one role's medium.

    parts: those of the role. modules: the Go modules in each of the components' files. tools: the versions of the programs
    that wrote the medium; GRUB puts itself on it.
    """
    return _Sbom(built, parts, modules).made(tools, name)


def programs(parts: Parts) -> dict[str, dict[str, Digest]]:
    """Component -> those of its files that are on the medium or that wrote it."""
    named: dict[str, set[str]] = {name: set(parts.components[name].files) for name in (INITRD, parts.store_tool) if name}
    for contents in parts.contents.values():
        for name, files in contents.description.components.items():
            named.setdefault(name, set()).update(files)
    return {name: {file: parts.components[name].files[file] for file in sorted(named[name])} for name in sorted(named)}


class _Sbom:
    def __init__(self, built: Built, parts: Parts, modules: Mapping[Digest, tuple[Module, ...]]) -> None:
        self._built, self._parts, self._modules = built, parts, modules
        self._bill = Bill()
        self._folders = {image.reference: folder for folder, image in parts.images.items()}
        self._programs = programs(parts)

    def made(self, tools: Mapping[str, str], name: str) -> dict[str, Any]:
        media = self._built.media
        medium = self._bill.package(
            "Medium", name, self._built.spec.id, sha256=media.sha256,
            packageFileName=media.path.name, primaryPackagePurpose="OPERATING_SYSTEM",
        )  # fmt: skip
        self._bill.relate(DOCUMENT, "DESCRIBES", medium)
        for reference in self._built.document.references():
            self._contains(medium, self._image(reference))
        self._contains(medium, self._component(self._parts.components[INITRD]))
        for carried, program in self._built.maker.carried.items():
            self._contains(medium, self._plain(carried, tools[program].rpartition(" ")[2]))
        if self._parts.store_tool:
            self._bill.relate(self._component(self._parts.components[self._parts.store_tool]), "BUILD_TOOL_OF", medium)
        return self._bill.document(name, f"kubeiso-{tools['kubeiso']}", media.sha256)

    def _contains(self, whole: str, part: str) -> None:
        self._bill.relate(whole, "CONTAINS", part)

    def _image(self, reference: str) -> str:
        """An image with what is in it; of one that is not ours nothing more is known than its digest."""
        parts = split(reference)
        name, tag, digest = parts.name, parts.tag, parts.digest
        locator = purl.oci(name, digest, platform(self._built.spec.platform).oci)
        made = self._bill.package(
            "Image", name, tag or digest, purl=locator, sha256=digest, primaryPackagePurpose="CONTAINER"
        )  # fmt: skip
        if reference == self._built.image_store.reference:
            for carried in self._built.spec.container_images:
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
            locator = purl.debian(package, self._parts.suite)
            yield self._bill.package("Debian", package.name, package.version, purl=locator, sha256=package.sha256)

    def _component(self, component: Component) -> str:
        """A component with the Go modules and the C libraries that are linked into its files."""
        files = self._programs[component.name]
        made = self._bill.package(
            "Component", component.name, component.version, primaryPackagePurpose="APPLICATION",
            sourceInfo=f"from the source {component.source}; files: {', '.join(f'{file} {files[file]}' for file in files)}",
        )  # fmt: skip
        for module in sorted({module for file in files.values() for module in self._modules.get(file, ())}, key=str):
            self._contains(made, self._module(module))
        _, *libraries = self._parts.c_parts.get(component.name, ("no compiler",))
        for library in libraries:
            self._contains(made, self._plain(*library.rsplit(" ", 1)))
        return made

    def _module(self, module: Module) -> str:
        more = {"sourceInfo": f"checksum in go.sum: {module.sum}"} if module.sum else {}
        return self._bill.package(
            "Go", module.path, module.version, purl=purl.golang(module), primaryPackagePurpose="LIBRARY", **more
        )  # fmt: skip

    def _plain(self, name: str, version: str) -> str:
        """What came with this host's packages."""
        return self._bill.package("Host", name, version, purl=purl.generic(name, version), primaryPackagePurpose="LIBRARY")
