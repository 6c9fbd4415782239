"""A bill as a CycloneDX 1.6 document (cyclonedx.org/docs/1.6/json), the same bytes for the same content."""

import json
import uuid
from collections import defaultdict
from typing import Any

from builder import moment
from builder.provenance.bill import CONTAINS, DOCUMENT, TOOL, Bill, Part

TYPES = {"APPLICATION": "application", "CONTAINER": "container", "LIBRARY": "library", "OPERATING_SYSTEM": "operating-system"}


def document(bill: Bill, name: str, creator: str, seed: str) -> dict[str, Any]:
    """The whole document as CycloneDX' own library writes it: what it is about, its parts, and what contains what."""
    from cyclonedx.model.bom import Bom, BomMetaData  # takes half a second, which builds alone spend
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    tool, _, version = creator.partition("-")
    contents = _contents(bill)
    made = {key: _component(key, part) for key, part in bill.parts.items()}
    whole = next(bill.described())
    maker = Component(name=tool, version=version, type=ComponentType.APPLICATION, bom_ref="tool")
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {seed}"),
        metadata=BomMetaData(timestamp=moment.date(), component=made.pop(whole), tools=ToolRepository(components=[maker])),
        components=made.values(),
    )
    bom.dependencies = [
        Dependency(BomRef(key), [Dependency(BomRef(other)) for other in contents[key]]) for key in (whole, *made)
    ]  # not by register_dependency, which looks through all of them for each
    found: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return found


def _contents(bill: Bill) -> dict[str, list[str]]:
    """What each part contains. What only helped to make the medium is in it, too, as far as this standard has words for that."""
    found: dict[str, list[str]] = defaultdict(list)
    for one, relation, other in sorted(bill.relations):
        if one != DOCUMENT and relation == CONTAINS:
            found[one].append(other)
        elif relation == TOOL:
            found[other].append(one)
    return found


def _component(key: str, part: Part) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from cyclonedx.model.license import LicenseExpression
    from packageurl import PackageURL

    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=part.sha256.removeprefix("sha256:"))] if part.sha256 else []
    said = {
        "kind": part.kind,
        "source": part.source,
        "licence-words": part.words,
        "file": part.file,
    }
    return Component(
        name=part.name, version=part.version, type=ComponentType(TYPES[part.purpose]), bom_ref=key, hashes=hashes,
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        supplier=OrganizationalEntity(name=part.supplier) if part.supplier else None,
        licenses=[LicenseExpression(part.licence)] if part.licence else [],
        properties=[Property(name=f"kubeiso:{name}", value=value) for name, value in said.items() if value],
    )  # fmt: skip
