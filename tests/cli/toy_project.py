"""A whole project in which everything is tiny, so that `kubeiso build` makes a real ISO of it within seconds.

Its kernel is one by its header alone and comes as a Debian package, its components are shell scripts given with --component.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from component_samples import Server
from image_samples import make_deb, make_module
from media_samples import kernel, noise, systemd

from builder.components.debian import save_lock
from builder.components.model import DebianPackage, Lock
from builder.store import Store

VERSION = "6.12.1-toy"
DEB = "pool/linux-image-toy_1_all.deb"
PACKAGE = "linux-image-toy"
# The version of every component; the recipe's Kubernetes is that of the component.
KUBERNETES = "1.36.3"
# The folders of pkg/ that the program itself asks for by name.
IMAGES = (
    "api-balancer", "apparmor", "client", "chrony", "containerd", "coredns", "dhcpcd", "etcd", "firmware", "getty", "init",
    "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "metadata", "nginx", "pause", "pod-network",
    "runc", "sshd", "state", "sysctl",
)  # fmt: skip
COMPONENTS = {"image-store": ("image-store",), "initrd": ("initrd",), "kubernetes": ("kube-apiserver", "kubectl", "kubelet")}

# What pkg/image-store does, without containerd's databases: a file in the place of them.
IMAGE_STORE = """#!{python}
import json, pathlib, sys
plan = json.load(sys.stdin)
root = pathlib.Path(plan["root"])
root.mkdir()
(root / "metadata").write_text("\\n".join(sorted(image["name"] for image in plan["images"])))
"""


@dataclass(frozen=True)
class Toy:
    """The project's folder, the user's own files for its components, and the server that has its one package."""

    root: Path
    files: Path
    server: Server
    deb: bytes

    @property
    def components(self) -> list[str]:
        """The options that give every component."""
        return [word for name in COMPONENTS for word in ("--component", f"{name}={self.files / name}")]

    def environment(self, home: Path, state: Path) -> dict[str, str]:
        """What a run sees: this project, its mirror, a cache under `home`; no probe of KVM."""
        folders = {"HOME": str(home / "home"), "KUBEISO_CACHE": str(home / "cache"), "KUBEISO_STATE": str(state)}
        sources = {"KUBEISO_DEBIAN_MIRROR": self.server.url, "GOPROXY": "off", "no_proxy": "127.0.0.1"}
        return {**folders, **sources, "KUBEISO_PROJECT": str(self.root), "KUBEISO_ACCEL": "tcg"}


def write_yaml(path: Path, document: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def make_toy(root: Path, work: Path, server: Server) -> Toy:
    """Lays the project out under `root`; `work` takes what it is made of."""
    write_yaml(root / "recipes" / "toy.yml", {"runtime": "toy", "network": {"cni": "cable"}, "roles": ["master"]})
    write_yaml(root / "runtimes" / "toy.yml", {"title": "a toy", "socket": "unix:///run/toy.sock"})
    write_yaml(root / "networks" / "cable.yml", {"title": "a cable"})
    write_yaml(root / "storage" / "udev.yml", {"title": "names for disks"})
    write_yaml(root / "guest_tools" / "vmware.yml", {"title": "VMware's"})
    for name in IMAGES:
        write_yaml(root / "pkg" / name / "image.yml", image(name))
    for name, tag in (("kubelet", "1"), ("kube-apiserver", "v{version}")):
        made = {**image(name), "image": f"example.test/{name}:{tag}", "components": {"kubernetes": {name: f"usr/bin/{name}"}}}
        write_yaml(root / "pkg" / name / "image.yml", made)
    write_yaml(root / "pkg" / "kernel" / "image.yml", {"image": "example.test/kernel:1", "packages": [PACKAGE], "kernel": {}})
    for name, files in COMPONENTS.items():
        section = {"packages": {file: f"./{file}" for file in files}}
        write_yaml(root / "pkg" / name / "component.yml", {"version": KUBERNETES, "golang": section})
    folder = root / "pkg" / "systemd-boot" / "files" / "usr" / "lib"
    folder.mkdir(parents=True)
    for name, data in systemd().items():
        (folder / name).write_bytes(data)
    write_yaml(root / "pkg" / "systemd-boot" / "image.yml", {"image": "example.test/systemd-boot:1"})
    deb = kernel_package(work, root)
    server.files |= {f"/{DEB}": deb, "/dists/stable/InRelease": b""}
    return Toy(root, own_files(work / "files"), server, deb)


def image(name: str) -> dict[str, object]:
    return {
        "image": f"example.test/{name}:1",
        "contents": {f"usr/share/toy/{name}": f"{name}\n"},
        **({} if name == "firmware" else {"cmd": ["/usr/bin/true"]}),
    }


def kernel_package(work: Path, root: Path) -> bytes:
    """The package with the kernel, and the lock that pins it."""
    store = Store(work / "store")
    modules = f"usr/lib/modules/{VERSION}"
    files: dict[str, bytes | str] = {
        f"boot/vmlinuz-{VERSION}": kernel(VERSION), f"boot/config-{VERSION}": noise(300_000),
        f"{modules}/modules.builtin": b"kernel/fs/overlayfs/overlay.ko\n",
        f"{modules}/modules.order": b"kernel/drivers/block/loop.ko\n",
        f"{modules}/kernel/drivers/block/loop.ko": make_module({"name": "loop", "alias": "devname:loop-control"}),
    }  # fmt: skip
    digest = make_deb(store, work, PACKAGE, files)
    deb = store.read(digest)
    pin = DebianPackage(name=PACKAGE, version="1", path=DEB, size=len(deb), sha256=digest)
    save_lock(Lock(suite="toy", packages={PACKAGE: pin}, sets={"kernel": (PACKAGE,)}), root / "components.lock")
    return deb


def own_files(folder: Path) -> Path:
    """A folder for each component with a script for each of its files."""
    for name, files in COMPONENTS.items():
        for file in files:
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(IMAGE_STORE.format(python=sys.executable) if file == "image-store" else f"#!/bin/sh\necho {file}\n")
            path.chmod(0o755)
    return folder
