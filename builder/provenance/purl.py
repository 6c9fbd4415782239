"""Package URLs, by which scanners look a package up (package-url/purl-spec: PURL-SPECIFICATION.rst and types/)."""

from urllib.parse import quote

from builder.components.model import DebianPackage
from builder.provenance.gomodules import Module
from builder.references import split


def debian(package: DebianPackage, suite: str) -> str:
    """The architecture is in the file's name (deb(5) names files NAME_VERSION_ARCHITECTURE.deb)."""
    architecture = package.path.removesuffix(".deb").rpartition("_")[2]
    return f"pkg:deb/debian/{_word(package.name)}@{_word(package.version)}?arch={architecture}&distro={suite}"


def golang(module: Module) -> str:
    """The type's rules want lower case."""
    return f"pkg:golang/{quote(module.path.lower(), safe='/')}@{_word(module.version)}"


def oci(name: str, digest: str, architecture: str) -> str:
    """`name` is the image's full name with its tag, `architecture` OCI's word."""
    reference = split(name)
    last, tag = reference.repository.rpartition("/")[2], reference.tag
    place = quote(reference.repository, safe="/:")
    tagged = f"&tag={_word(tag)}" if tag else ""
    return f"pkg:oci/{_word(last.lower())}@{_word(digest)}?arch={architecture}&repository_url={place}{tagged}"


def generic(name: str, version: str) -> str:
    return f"pkg:generic/{_word(name)}@{_word(version)}"


def _word(text: str) -> str:
    return quote(text, safe=":")
