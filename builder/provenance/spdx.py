"""A bill as an SPDX 2.3 document (spdx.github.io/spdx-spec/v2.3), the same bytes for the same content."""

import uuid
from functools import cache
from typing import Any

from license_expression import get_spdx_licensing

from builder import moment
from builder.provenance.bill import DOCUMENT, Bill, Part
from builder.provenance.licences import REFERENCE

PREFIX = "SPDXRef-"
WHERE = "its text is in usr/share/doc/*/copyright of the packages that name it, which the image has"


def document(bill: Bill, name: str, creator: str, seed: str) -> dict[str, Any]:
    """The whole document as SPDX' own library writes it; its namespace is unique for the `seed`."""
    from spdx_tools.spdx import model  # takes a second, which builds alone spend
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter

    made = model.Document(
        creation_info=model.CreationInfo(
            spdx_version="SPDX-2.3", spdx_id=PREFIX + DOCUMENT, name=name, created=moment.date().replace(tzinfo=None),
            document_namespace=f"https://spdx.org/spdxdocs/{name}-{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
            creators=[model.Actor(model.ActorType.TOOL, creator)],
        ),
        packages=[_package(key, bill.parts[key]) for key in sorted(bill.parts)],
        relationships=[
            model.Relationship(PREFIX + one, model.RelationshipType[relation], PREFIX + other)
            for one, relation, other in sorted(bill.relations)
        ],
        extracted_licensing_info=[
            model.ExtractedLicensingInfo(name, extracted_text=f"{name.removeprefix(REFERENCE)}: {WHERE}") for name in _named(bill)
        ],
    )  # fmt: skip
    found: dict[str, Any] = DocumentConverter().convert(made)  # type: ignore[no-untyped-call]
    for package in found["packages"]:
        for locator in package.get("externalRefs", ()):  # the library writes PACKAGE_MANAGER, as SPDX 2.2 had it
            locator["referenceCategory"] = "PACKAGE-MANAGER"
    return found


def _named(bill: Bill) -> list[str]:
    """The licences that the document itself has to name."""
    words = {word for part in bill.parts.values() for word in part.licence.split()}
    return sorted(word for word in words if word.startswith(REFERENCE))


@cache
def _licensing() -> Any:
    """Knows every licence of SPDX, which takes a while to read."""
    return get_spdx_licensing()


def _package(key: str, part: Part) -> Any:
    from spdx_tools.spdx import model

    unknown = model.SpdxNoAssertion()
    category = model.ExternalPackageRefCategory.PACKAGE_MANAGER
    return model.Package(
        spdx_id=PREFIX + key, name=part.name, version=part.version, download_location=unknown, files_analyzed=False,
        file_name=part.file or None, source_info=part.source or None, copyright_text=unknown, license_concluded=unknown,
        supplier=model.Actor(model.ActorType.ORGANIZATION, part.supplier) if part.supplier else unknown,
        license_declared=_licensing().parse(part.licence) if part.licence else unknown,
        license_comment=f"its maker's words: {part.words}" if part.words else None,
        checksums=[model.Checksum(model.ChecksumAlgorithm.SHA256, part.sha256.removeprefix("sha256:"))] if part.sha256 else [],
        external_references=[model.ExternalPackageRef(category, "purl", part.purl)] if part.purl else [],
        primary_package_purpose=model.PackagePurpose[part.purpose],
    )  # fmt: skip
