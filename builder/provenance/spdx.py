"""SPDX 2.3 documents as JSON (spdx.github.io/spdx-spec/v2.3), the same bytes for the same content."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from builder.tarball import EPOCH

NONE_SAID = "NOASSERTION"
DOCUMENT = "SPDXRef-DOCUMENT"
CREATED = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Bill:
    """A document being written: packages, each once, and how they relate to each other."""

    def __init__(self) -> None:
        self._packages: dict[str, dict[str, Any]] = {}
        self._relations: set[tuple[str, str, str]] = set()

    def package(self, kind: str, name: str, version: str, *, purl: str = "", sha256: str = "", **more: str) -> str:
        """Adds a package and returns its identifier; `more` are further fields by their names in the JSON."""
        identifier = identifier_of(kind, name, version, purl or sha256)
        fields: dict[str, Any] = {
            "SPDXID": identifier, "name": name, "versionInfo": version,
            "downloadLocation": NONE_SAID, "filesAnalyzed": False, "supplier": NONE_SAID,
            "licenseConcluded": NONE_SAID, "licenseDeclared": NONE_SAID, "copyrightText": NONE_SAID, **more,
        }  # fmt: skip
        if sha256:
            fields["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256.removeprefix("sha256:")}]
        if purl:
            fields["externalRefs"] = [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
            ]  # fmt: skip
        self._packages[identifier] = fields
        return identifier

    def relate(self, one: str, relation: str, other: str) -> None:
        self._relations.add((one, relation, other))

    def document(self, name: str, creator: str, seed: str) -> dict[str, Any]:
        """The whole document; its namespace is unique for the `seed`."""
        return {
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": DOCUMENT,
            "name": name,
            "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
            "creationInfo": {"created": CREATED, "creators": [f"Tool: {creator}"]},
            "packages": [self._packages[identifier] for identifier in sorted(self._packages)],
            "relationships": [_relation(*each) for each in sorted(self._relations)],
        }


def identifier_of(kind: str, *words: str) -> str:
    """An SPDX identifier has letters, digits, "." and "-" alone; the hash keeps apart what looks alike then."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words[:2])).strip("-")
    return f"SPDXRef-{kind}-{readable}-{hashlib.sha256(repr(words).encode()).hexdigest()[:8]}"


def _relation(one: str, relation: str, other: str) -> Mapping[str, str]:
    return {"spdxElementId": one, "relationshipType": relation, "relatedSpdxElement": other}
