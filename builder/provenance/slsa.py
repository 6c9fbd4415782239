"""How a medium came to be: an in-toto statement with SLSA's provenance (slsa.dev/spec/v1.0/provenance), the same each time."""

from collections.abc import Mapping
from typing import Any

from builder.provenance.bill import Bill, Part
from builder.provenance.model import Built
from builder.store import Digest

STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
BUILD = "https://kubeiso.dev/media/v1"
"""What the parameters below mean: a name, not a place."""


def statement(built: Built, bill: Bill, files: Mapping[str, Digest], lock: Digest, tools: Mapping[str, str]) -> dict[str, Any]:
    """The statement about the files of one medium, by their names: the medium itself and what lies beside it.

    lock: the digest of components.lock. Nothing of the recipe's own words is in it, which may be secret, but the specification's
    digest, which follows from them. Nothing is said of when or where, so that equal builds have equal statements.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": _digest(digest)} for name, digest in sorted(files.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "role": built.role.value, "format": built.maker.format, "specification": built.spec.id,
                    "kubernetes": built.spec.kubernetes_version, "platform": built.spec.platform,
                },
                "internalParameters": {"assembler": built.root.assembler, "root": built.root.digest, "tools": dict(tools)},
                "resolvedDependencies": [
                    {"name": "components.lock", "digest": _digest(lock)},
                    *(_dependency(bill.parts[key]) for key in sorted(bill.parts) if bill.parts[key].kind in ("Debian", "Go")),
                ],
            },
            "runDetails": {"builder": {"id": "https://kubeiso.dev/builder", "version": {"kubeiso": tools["kubeiso"]}}},
        },
    }  # fmt: skip


def _dependency(part: Part) -> dict[str, Any]:
    """A Debian package with its own digest; a Go module with the line of go.sum that it had to fit."""
    found: dict[str, Any] = {"uri": part.purl}
    if part.sha256:
        found["digest"] = _digest(Digest(part.sha256))
    elif part.source:
        found["annotations"] = {"source": part.source}
    return found


def _digest(digest: Digest) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}
