"""A whole small project: a kernel by its header alone, folders with a file each, a Debian package, a toy source of components."""

import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml

from builder import progress
from builder.components.debian import save_lock
from builder.components.description import Description
from builder.components.model import DebianPackage, Lock
from builder.components.source import Files, Request
from builder.frozen import Frozen
from builder.pipeline.model import BuildOptions, Plan
from builder.pipeline.plan import plan
from builder.project import Project
from builder.recipe.model import Role
from builder.run import run
from builder.store import Store, key_of, sha256

PLAIN = (
    "api-balancer", "apparmor", "client", "chrony", "containerd", "coredns", "dhcpcd", "etcd", "firmware", "getty", "init",
    "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "metadata", "nginx", "pause", "pod-network",
    "runc", "sshd", "state",
)  # fmt: skip
# Takes a plan as the program of pkg/image-store does, and writes nothing.
IMAGE_STORE = f"""#!{sys.executable}
import json, sys
json.load(sys.stdin)
"""
COMPONENTS = {
    "initrd": {"initrd": "#!/bin/sh\n"},
    "image-store": {"image-store": IMAGE_STORE},
    "node": {"kubelet": "#!/bin/sh\necho kubelet\n", "kubectl": "#!/bin/sh\necho kubectl\n"},
}


class Told(progress.Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def note(self, level: str, text: str) -> None:
        if level == "warning":
            self.warnings.append(text)


class Section(Frozen):
    files: dict[str, str]


class Toy:
    """A source whose files stand in component.yml itself. `asked` counts the questions for earlier results."""

    name = "toy"

    def __init__(self) -> None:
        self.asked = 0

    def outputs(self, description: Description) -> tuple[str, ...]:
        return tuple(sorted(self._files(description)))

    def recall(self, request: Request) -> Files | None:
        self.asked += 1
        found = request.store.recall(self._key(request))
        return found["files"] if found else None

    def provide(self, request: Request) -> Files:
        texts = self._files(request.description)
        made = {"files": {name: request.store.put(text.encode()) for name, text in texts.items()}}
        request.store.remember(self._key(request), made)
        return made["files"]

    def _files(self, description: Description) -> dict[str, str]:
        section = description.section(self.name, Section)
        return section.files if section else {}

    def _key(self, request: Request) -> str:
        return key_of("toy", self._files(request.description))


def project(root: Path) -> tuple[Project, Path]:
    """The project, and the .deb that its lock pins."""
    for name in PLAIN:
        image(root, name, contents={f"usr/share/{name}": f"{name}\n"})
    image(root, "sysctl", packages=["tools"])
    image(root, "kubelet", image="docker.io/kubeiso/kubelet:{version}", components={"node": {"kubelet": "usr/bin/kubelet"}})
    image(root, "kernel")
    files = root / "pkg" / "kernel" / "files"
    files.mkdir()
    (files / "kernel").write_bytes(kernel())
    (files / "kernel.tar").write_bytes(bytes(2 * tarfile.BLOCKSIZE))
    for name, texts in COMPONENTS.items():
        write(root / "pkg" / name / "component.yml", {"version": "1.2.3", "toy": {"files": texts}})
    write(root / "runtimes" / "toy.yml", {"title": "toy", "socket": "unix:///run/toy.sock"})
    write(root / "networks" / "none.yml", {"title": "none"})
    write(root / "storage" / "udev.yml", {"title": "names for disks"})
    write(root / "guest_tools" / "vmware.yml", {"title": "VMware's"})
    write(root / "recipes" / "toy.yml", {"runtime": "toy", "network": {"cni": "none"}, "roles": ["master", "worker"]})
    deb = make_deb(root, "tools")
    pin = DebianPackage(
        name="tools", version="1:2.0+b1", path="pool/main/t/tools/tools_2.0+b1_amd64.deb", size=deb.stat().st_size,
        sha256=sha256(deb.read_bytes()),
    )  # fmt: skip
    save_lock(Lock(packages={"tools": pin}, sets={"sysctl": ("tools",)}), root / "components.lock")
    return Project(root), deb


def planned(sample: Project, role: Role | None = None) -> Plan:
    return plan(sample, sample.recipes / "toy.yml", (role,) if role else None, BuildOptions())


def store_with(root: Path, deb: Path) -> Store:
    """A store to which nothing has to be fetched."""
    store = Store(root)
    store.put_file(deb)
    return store


def image(root: Path, name: str, **keys: Any) -> None:
    write(root / "pkg" / name / "image.yml", {"image": f"docker.io/kubeiso/{name}:1", **keys})


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))


def kernel() -> bytes:
    """What a bzImage's header has to say (Documentation/arch/x86/boot.rst)."""
    made = bytearray(0x400) + b"6.12.1-test (builder) #1\0"
    made[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", made, 0x20E, 0x200)
    return bytes(made)


def make_deb(root: Path, name: str) -> Path:
    package = root / "deb"
    write(package / "usr" / "bin" / name, name)
    (package / "DEBIAN").mkdir()
    control = (
        f"Package: {name}\nVersion: 1:2.0+b1\nArchitecture: amd64\nMaintainer: tests <tests@kubeiso.dev>\nDescription: a toy\n"
    )
    (package / "DEBIAN" / "control").write_text(control)
    made = root / f"{name}.deb"
    run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", package, made])
    return made
