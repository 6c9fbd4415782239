"""Package URLs, by which scanners look a package up (package-url/purl-spec: PURL-SPECIFICATION.rst and types/)."""

from packageurl import PackageURL

from builder.components.model import DebianPackage
from builder.provenance.gomodules import Module
from builder.references import split


def debian(package: DebianPackage, suite: str) -> str:
    """The architecture is in the file's name (deb(5) names files NAME_VERSION_ARCHITECTURE.deb)."""
    architecture = package.path.removesuffix(".deb").rpartition("_")[2]
    return str(PackageURL("deb", "debian", package.name, package.version, {"arch": architecture, "distro": suite}))


def golang(module: Module) -> str:
    """The type's rules want lower case."""
    namespace, _, name = module.path.lower().rpartition("/")
    return str(PackageURL("golang", namespace, name, module.version))


def oci(name: str, digest: str, architecture: str) -> str:
    """`name` is the image's full name with its tag, `architecture` OCI's word."""
    reference = split(name)
    last, tag = reference.repository.rpartition("/")[2], reference.tag
    qualifiers = {"arch": architecture, "repository_url": reference.repository, **({"tag": tag} if tag else {})}
    return str(PackageURL("oci", None, last.lower(), digest, qualifiers))


def generic(name: str, version: str) -> str:
    return str(PackageURL("generic", None, name, version))
