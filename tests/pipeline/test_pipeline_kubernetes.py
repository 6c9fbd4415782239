"""Builds with a developer's own Kubernetes, whole and in part, on a small project."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_samples import NEXT, PROGRAMS, built_with_cgo, c_library, images, own, write
from pipeline_samples import Told, Toy, image, project, store_with
from pipeline_samples import write as write_yaml

from builder.components import registry
from builder.errors import InputError
from builder.oci import layer_entries, layer_paths
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.pipeline.plan import plan
from builder.pipeline.render import render
from builder.project import Project
from builder.provenance.model import Built
from builder.recipe.model import Role
from builder.store import file_digest

pytest_plugins = ["pipeline_fixtures"]

PINNED = "1.36.3"
# What pkg/image-store does, without containerd's databases: a file with the names of the images in the place of them.
IMAGE_STORE = """#!{python}
import json, pathlib, sys
plan = json.load(sys.stdin)
root = pathlib.Path(plan["root"]) / "io.containerd.metadata.v1.bolt"
root.mkdir(parents=True)
(root / "meta.db").write_text("\\n".join(sorted(image["name"] for image in plan["images"])))
"""
TAG = NEXT.replace("+", "_")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")


class Work:
    """A project with Kubernetes' programs in it, a cache, and a folder for a developer's own ones."""

    def __init__(self, sample: tuple[Project, Path], home: Path) -> None:
        self.project, deb = sample
        self.store, self.home, self.own = store_with(home / "cache", deb), home, home / "own"
        root = self.project.root
        kubeadm = f"#!/bin/sh\ncat <<END\n{images(PINNED)}\nEND\n"
        pinned = {name: f"#!/bin/sh\necho pinned {name}\n" for name in PROGRAMS} | {"kubeadm": kubeadm}
        write_yaml(root / "pkg/kubernetes/component.yml", {"version": PINNED, "toy": {"files": pinned}})
        store = {"image-store": IMAGE_STORE.format(python=sys.executable)}
        write_yaml(root / "pkg/image-store/component.yml", {"version": "1", "toy": {"files": store}})
        for name in CONTROL_PLANE:
            files = {"kubernetes": {name: f"usr/local/bin/{name}"}}
            image(root, name, image=f"registry.k8s.io/{name}:v{{version}}", components=files)
        node = {"kubernetes": {name: f"usr/bin/{name}" for name in ("kubeadm", "kubectl", "kubelet")}}
        image(root, "kubelet", image="docker.io/kubeiso/kubelet:{version}", components=node)
        for name, tag in (("etcd", "etcd:3.6.8-0"), ("coredns", "coredns/coredns:v1.14.2"), ("pause", "pause:3.10.2")):
            image(root, name, image=f"registry.k8s.io/{tag}", contents={f"usr/share/{name}": name})

    def options(self) -> BuildOptions:
        return BuildOptions(kubernetes_dir=self.own if self.own.exists() else None)

    def build(self, *roles: Role) -> dict[Role, Built]:
        made = plan(self.project, self.project.recipes / "toy.yml", roles or None, self.options())
        return {one.role: one for one in build(self.project, made, self.store, self.home / "out", self.options())}

    def render(self, role: Role) -> str:
        return render(
            self.project, plan(self.project, self.project.recipes / "toy.yml", (role,), self.options()), role, self.store
        )


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache after a build of what is pinned, which is where each of these tests begins."""
    folder = tmp_path_factory.mktemp("warm")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "SOURCES", (Toy(),))
        Work(project(folder / "project"), folder).build()
    return folder / "cache"


@pytest.fixture
def work(sample: tuple[Project, Path], tmp_path: Path, warm: Path) -> Work:
    shutil.copytree(warm, tmp_path / "cache")
    return Work(sample, tmp_path)


def record(built: Built) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(built.media.path.with_suffix(".iso.build.json").read_text())
    return found


def node_file(built: Built, path: str) -> str:
    return next(file.contents or "" for file in built.spec.files if file.path == path)


def cluster(built: Built) -> dict[str, Any]:
    documents = yaml.safe_load_all(node_file(built, "etc/kubeadm/kubeadm.yaml"))
    return next(dict(each) for each in documents if each["kind"] == "ClusterConfiguration")


def file_in(work: Work, digest: str, name: str) -> bytes:
    """A file of an image of ours; those of several names are one, to which the names are links."""
    shared = b""
    for layer in layer_paths(work.store, digest):  # type: ignore[arg-type]
        for info, content in layer_entries(layer):
            if info.name == "usr/lib/kubernetes/kubernetes" and content is not None:
                shared = content.read()
            elif info.name.endswith(name) and (content is not None or info.issym()):
                return content.read() if content is not None else shared
    raise AssertionError(f"{name} is not in {digest}")


def names_in_store(work: Work, built: Built) -> set[str]:
    """The names by which the node's pods find images."""
    return set(file_in(work, built.image_store.digest, "/meta.db").decode().split())


def warned(told: Told) -> list[str]:
    """The warnings about kubeadm's images."""
    return sorted(warning for warning in told.warnings if "kubeadm" in warning)


def all_own(version: str, asks: str) -> Mapping[str, bytes]:
    return {name: own(name, version, asks if name == "kubeadm" else "") for name in PROGRAMS}


def test_all_programs_of_one_s_own(work: Work, told: Told) -> None:
    programs = all_own(NEXT, images(TAG))
    write(work.own / "_output/local/bin/linux/amd64", programs)
    master = work.build(Role.MASTER)[Role.MASTER]
    found = record(master)
    assert (found["spec"]["kubernetes_version"], cluster(master)["kubernetesVersion"]) == (NEXT, f"v{NEXT}")
    assert found["components"]["kubernetes"]["own"] == dict.fromkeys(PROGRAMS, NEXT)
    assert found["components"]["kubernetes"]["source"] == "local"
    for name in CONTROL_PLANE:
        made = found["images"][name]
        assert made["name"] == f"registry.k8s.io/{name}:v{TAG}"
        assert file_in(work, made["digest"], name) == programs[name]
    node = found["images"]["kubelet"]["digest"]
    assert all(file_in(work, node, f"bin/{name}") == programs[name] for name in ("kubeadm", "kubectl", "kubelet"))
    assert names_in_store(work, master) >= set(images(TAG).split()), "kubeadm finds each image that it asks for"
    assert warned(told) == [] and "etcd" not in cluster(master)


def test_a_kubelet_of_one_s_own_and_nothing_else(work: Work, told: Told) -> None:
    before = work.build()
    records = {role: record(built) for role, built in before.items()}
    version = "1.36.4-rc.0.7+0123456789abcd"
    write(work.own, {"kubelet": own("kubelet", version)})
    after = work.build()
    for role in (Role.MASTER, Role.WORKER):
        old, new = records[role], record(after[role])
        assert {name for name in old["images"] if old["images"][name] != new["images"][name]} == {"kubelet"}
        assert old["image_store"] == new["image_store"] and old["id"] != new["id"]
        assert file_in(work, new["images"]["kubelet"]["digest"], "bin/kubelet") == own("kubelet", version)
        assert b"pinned kubectl" in file_in(work, new["images"]["kubelet"]["digest"], "bin/kubectl")
        assert new["spec"]["kubernetes_version"] == PINNED
        assert (new["components"]["kubernetes"]["own"], new["components"]["kubernetes"]["source"]) == (
            {"kubelet": version}, "toy+local",
        )  # fmt: skip
    assert cluster(after[Role.MASTER]) == cluster(before[Role.MASTER])
    assert warned(told) == []


def test_a_kubeadm_that_wants_other_images(work: Work, told: Told) -> None:
    asks = images(TAG, etcd="3.7.1-0", pause="3.11", **{"coredns/coredns": "v1.15.0", "agent": "v1"})
    write(work.own, all_own(NEXT, asks))
    built = work.build()
    master = built[Role.MASTER]
    assert cluster(master)["etcd"] == {"local": {"imageTag": "3.6.8-0"}} and cluster(master)["dns"] == {"imageTag": "v1.14.2"}
    there = names_in_store(work, master)
    assert there >= {"registry.k8s.io/pause:3.11", "registry.k8s.io/pause:3.10.2"}
    assert there >= {"registry.k8s.io/etcd:3.6.8-0", "registry.k8s.io/coredns/coredns:v1.14.2"}
    assert set(asks.split()) - there == {
        "registry.k8s.io/etcd:3.7.1-0", "registry.k8s.io/coredns/coredns:v1.15.0", "registry.k8s.io/agent:v1",
    }  # fmt: skip
    assert warned(told) == [
        "this kubeadm asks for registry.k8s.io/agent:v1, which the node does not have",
        "this kubeadm would take coredns v1.15.0; the node has v1.14.2, and kubeadm's configuration says so",
        "this kubeadm would take etcd 3.7.1-0; the node has 3.6.8-0, and kubeadm's configuration says so",
    ]
    worker = built[Role.WORKER].spec
    assert work.build(Role.WORKER)[Role.WORKER].spec == worker, "it does not depend on what else is built"


def test_what_will_change_has_layers_of_its_own(work: Work) -> None:
    def layers() -> list[str]:
        return [layer["sha256"] for layer in record(work.build(Role.WORKER)[Role.WORKER])["medium"]["layers"]]

    (_,) = layers()
    write(work.own, {"kubelet": own("kubelet", "1.36.8"), "kubeadm": own("kubeadm", "1.36.8", images(PINNED))})
    first = layers()
    write(work.own, {"kubelet": own("kubelet", "1.36.9")})
    # kubeadm, kubelet, the images' database, all else: with the images' digests
    assert [one == two for one, two in zip(first, layers(), strict=True)] == [True, False, True, False]


@pytest.mark.parametrize("names", [("kubelet",), PROGRAMS], ids=["a kubelet", "all"])
def test_render_gives_what_build_wrote(work: Work, names: tuple[str, ...]) -> None:
    write(work.own, {name: own(name, "1.36.9", images("1.36.9", pause="3.11")) for name in names})
    built = work.build()
    written = {role: one.media.path.with_suffix(".yml").read_text() for role, one in built.items()}
    assert {role: work.render(role) for role in written} == written
    write(work.own, {"kubelet": own("kubelet", "1.36.8", "new")})
    assert work.render(Role.WORKER) != written[Role.WORKER]


def test_the_same_programs_give_the_same_medium(work: Work) -> None:
    write(work.own, all_own(NEXT, images(TAG)))
    first = file_digest(work.build(Role.WORKER)[Role.WORKER].media.path)
    write(work.own, {"kubelet": own("kubelet", NEXT, "another")})
    other = file_digest(work.build(Role.WORKER)[Role.WORKER].media.path)
    write(work.own, {"kubelet": own("kubelet", NEXT)})
    assert file_digest(work.build(Role.WORKER)[Role.WORKER].media.path) == first != other


@pytest.mark.parametrize(
    ("names", "lines", "hint"),
    [
        (("kubelet",), [f"kubelet v{NEXT}: "], "cmd/kube-apiserver cmd/kube-controller-manager"),
        (("kube-apiserver",), [f"kubeadm v{PINNED}: "], "cmd/kube-controller-manager cmd/kube-proxy"),
        (("kube-scheduler", "kube-proxy", "kubectl"), [f"kube-proxy v{NEXT}: ", f"kube-scheduler v{NEXT}: "], "cmd/kubelet"),
    ],
)
def test_versions_that_kubernetes_does_not_support_together(
    work: Work, names: tuple[str, ...], lines: list[str], hint: str
) -> None:
    write(work.own, {name: own(name, NEXT) for name in names})
    with pytest.raises(InputError, match="does not support these versions together") as raised:
        work.build()
    error = raised.value
    assert len(error.details) == len(lines) and all(map(str.startswith, error.details, lines))
    assert error.why == f"what is not in the folder is v{PINNED}" and hint in error.hint
    assert not any(f"cmd/{name} " in f"{error.hint} " for name in names)
    assert not (work.home / "out").exists()


def test_versions_of_one_s_own_that_do_not_go_together(work: Work) -> None:
    write(work.own, {**all_own(NEXT, images(TAG)), "kubelet": own("kubelet", "1.33.0")})
    with pytest.raises(InputError, match=r"kubelet v1.33.0: it may be at most 3 minor versions older") as raised:
        work.build()
    assert (raised.value.why, raised.value.hint) == ("", "build all of the same source")


def test_a_program_that_is_linked_to_what_its_image_lacks(work: Work) -> None:
    for name in ("kubelet", "kube-scheduler"):
        built_with_cgo(work.own / name, f"Kubernetes v{PINNED}")
    with pytest.raises(InputError, match="linked to what their images do not have") as raised:
        work.build()
    details = raised.value.details
    assert "kube-scheduler: there is no libc.so.6 (image kube-scheduler)" in details
    assert "kubelet: there is no libc.so.6 (image kubelet)" in details
    assert any("ld-linux" in line for line in details) and "KUBE_STATIC_OVERRIDES" in raised.value.hint
    assert not (work.home / "out").exists()


def test_a_program_that_finds_its_libraries_in_its_image(work: Work) -> None:
    built_with_cgo(work.own / "kubelet", f"Kubernetes v{PINNED}")
    libraries = work.project.root / "pkg/kubelet/files/usr/lib"
    write(libraries, {"ld-linux-x86-64.so.2": b""})
    c_library(libraries / "libc.so.6", "2.99")
    assert work.build(Role.WORKER)[Role.WORKER].media.path.exists()
    c_library(libraries / "libc.so.6", "2.1")
    with pytest.raises(InputError, match=r"kubelet: it needs glibc 2\.\d+, and there is 2\.1 \(image kubelet\)"):
        work.build(Role.WORKER)


def test_a_recipe_for_another_kubernetes(work: Work) -> None:
    recipe = work.project.recipes / "toy.yml"
    recipe.write_text(recipe.read_text() + "kubernetes: {version: 1.35.7}\n")
    with pytest.raises(InputError) as raised:
        work.build()
    (told,) = raised.value.details
    assert "kubernetes.version: the recipe asks for Kubernetes 1.35.7, and pkg/kubernetes has 1.36.3" in told
    assert "version: 1.36.3" in told and "--kubernetes-dir" in told
    write(work.own, all_own("1.35.7", images("1.35.7")))
    assert work.build(Role.WORKER)[Role.WORKER].spec.kubernetes_version == "1.35.7"
