"""A small project and sample values for the tests of recipes."""

import base64
import struct
from pathlib import Path

from builder.project import Project
from builder.reading.mistake import Mistake
from builder.recipe.load import check_recipe

PINNED = "docker.io/example/tool:1@sha256:" + "0" * 64


def public_key(kind: str = "ssh-ed25519", body: bytes = bytes(32)) -> str:
    fields = [kind.encode(), body]
    return f"{kind} {base64.b64encode(b''.join(struct.pack('>I', len(field)) + field for field in fields)).decode()} me@home"


def make_project(root: Path) -> Path:
    """A project with one runtime, one network and two images of its own; recipes go into its folder recipes/."""
    for name in (
        "runtimes/cri-containerd.yml",
        "handlers/gvisor.yml",
        "networks/bridge.yml",
        "guest_tools/vmware.yml",
        "storage/iscsi.yml",
        "storage/udev.yml",
        "pkg/firmware/image.yml",
        "pkg/getty/image.yml",
        "pkg/init/image.yml",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "recipes").mkdir(exist_ok=True)
    return root


def check(project: Path, text: str | bytes, **values: str) -> list[Mistake]:
    file = project / "recipes" / "x.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return check_recipe(file, Project(project), values)


def said(project: Path, text: str | bytes, **values: str) -> list[str]:
    """Each mistake as one line: "12:3: network.cni: message (hint)"."""
    return [str(mistake) for mistake in check(project, text, **values)]
