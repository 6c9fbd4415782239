"""A release of a toy: its archive, its pin, and a project that asks for it."""

import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from component_samples import PROGRAM, project

from builder.project import Project
from builder.store import sha256

URL = "https://upstream.test/toy/1.2.3/toy.tar.gz"
SCRIPT = b"#!/bin/sh\n"
TOY = PROGRAM + random.Random(1).randbytes(50_000)
FILES: dict[str, bytes | tarfile.TarInfo] = {"toy/bin/toy": TOY, "toy/bin/helper": SCRIPT, "toy/etc/toy": b"no program"}


def archive(files: Mapping[str, bytes | tarfile.TarInfo] = FILES, mode: str = "w:gz") -> bytes:
    """bytes are a plain file's; a header stands for an entry of another kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
            else:
                content.name = content.name or name
                packed.addfile(content)
    return out.getvalue()


def entry(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def toy(root: Path, content: bytes, *, url: str = URL, pin: str | None = None, **artefact: object) -> Project:
    """A project whose component `toy` comes from a release with this content; `pin` instead of its own digest."""
    described = {"url": url, **(artefact or {"members": {"toy": "toy/bin/toy", "helper": "toy/bin/helper"}})}
    found = project(root, toy={"version": "1.2.3", "release": {"artefacts": [described]}})
    pins = {"toy": {url: {"digest": sha256(content) if pin is None else pin}}} if pin != "" else {}
    (root / "components.lock").write_text(yaml.safe_dump({"releases": pins}))
    return found
