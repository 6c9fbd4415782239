"""What lies beside a medium: its YAML, its checksum, its SBOM, and a record of the build that two builds can be compared by."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from builder.aside import write_aside
from builder.components.toolchain import go
from builder.errors import ToolMissing
from builder.media.layers import squashfs_version
from builder.media.model import Maker
from builder.media.verity import veritysetup_version
from builder.progress import step
from builder.provenance import cyclonedx, slsa, spdx
from builder.provenance.bill import Bill
from builder.provenance.gomodules import linked
from builder.provenance.model import Built, Node, Parts
from builder.provenance.sbom import bill_of, programs, with_medium
from builder.run import tool
from builder.store import Digest, Store, sha256
from builder.versions import told

PRIVATE = 0o600
FOR_THE_MAKER = (".yml", ".build.json")
"""How the names of files end that tell all the recipe says."""


def write_beside(built: Built, bill: Bill, parts: Parts, store: Store, out: Path, stem: str) -> None:
    """Writes the set of files that go with a medium: STEM.yml, FILE.sha256, FILE.spdx.json, FILE.cdx.json, FILE.slsa.json,
    FILE.build.json.

    parts: those of the role. bill: of its node. What tells all that the recipe says, secrets of its files included, is for this
    user alone.
    """
    media, tools = built.media, tool_versions(built.maker)
    whole, creator = with_medium(bill, built, parts, tools, store), f"kubeiso-{tools['kubeiso']}"
    name, told = media.path.name, {}
    told[f"{name}.sha256"] = f"{media.sha256.removeprefix('sha256:')}  {name}\n"
    told[f"{name}.spdx.json"] = _json(spdx.document(whole, stem, creator, media.sha256))
    told[f"{name}.cdx.json"] = _json(cyclonedx.document(whole, stem, creator, media.sha256))
    subjects = {name: media.sha256, **{file: sha256(text.encode()) for file, text in told.items()}}
    told[f"{name}.slsa.json"] = _json(slsa.statement(built, whole, subjects, parts.lock, tools))
    for file, text in told.items():
        write_aside(out / file, text)
    write_aside(out / f"{stem}.yml", built.document.to_yaml(), PRIVATE)
    write_aside(out / f"{name}.build.json", _json(record(built, parts, store, tools)), PRIVATE)


def node_bill(node: Node, parts: Parts, store: Store, stem: str) -> Bill:
    """What the nodes of a role are made of. parts: those of the role."""
    modules = linked({file for files in programs(parts).values() for file in files.values()}, store)
    with step("Reading what all is licensed under"):
        return bill_of(node, parts, modules, store, stem)


def embedded(bill: Bill, stem: str, seed: str) -> bytes:
    """The bill of a role's node as it lies on its media, whatever their format: an SPDX document."""
    document = spdx.document(bill, stem, f"kubeiso-{importlib.metadata.version('kubeiso')}", seed)
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def record(built: Built, parts: Parts, store: Store, tools: dict[str, str]) -> dict[str, Any]:
    """What went in, what it was made with, and what came out: nothing of when or where, so equal builds have equal records."""
    media = built.media
    return {
        "id": built.spec.id,
        "spec": built.spec.model_dump(mode="json"),
        "assembler": built.root.assembler,
        "root": {"sha256": built.root.digest, "size": built.root.size},
        "medium": {
            "file": media.path.name, "sha256": media.sha256, "size": media.size, "label": media.label,
            "kernel": _blob(media.kernel, store), "initrd": _blob(media.initrd, store),
            "layers": [_blob(layer, store) for layer in media.layers],
        },
        "components": {name: part.model_dump(mode="json") for name, part in sorted(parts.components.items())},
        "images": {name: image.model_dump(mode="json") for name, image in sorted(parts.images.items())},
        "image_store": built.image_store.model_dump(mode="json"),
        "lock": parts.lock,
        "tools": tools,
        "c_parts": {name: list(facts) for name, facts in sorted(parts.c_parts.items())},
    }  # fmt: skip


def tool_versions(maker: Maker) -> dict[str, str]:
    """The first line in which each program that the medium's bits depend on tells its version."""
    versions = {name: _first_line(name) for name in maker.versions}
    layers = {"mksquashfs": squashfs_version(), "veritysetup": veritysetup_version()}
    return {"kubeiso": importlib.metadata.version("kubeiso"), "go": _go_version(), **layers, **versions}


def _first_line(name: str) -> str:
    """What `--version` says first; some programs begin with the path that they were called by."""
    return told([name, "--version"]).partition("\n")[0].strip().replace(tool(name), name)


def _go_version() -> str:
    """Empty where there is none: a build from the user's own files alone needs none."""
    try:
        return go().version
    except ToolMissing:
        return ""


def _blob(digest: Digest, store: Store) -> dict[str, Any]:
    return {"sha256": digest, "size": store.path(digest).stat().st_size}


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
