"""A version of Kubernetes is added by a folder with its pins: `kubernetes.version` takes any that has one."""

from pathlib import Path

import pytest
from pipeline_samples import image, write

from builder.components.description import describe, minors
from builder.linuxkit.model import Document
from builder.pipeline.model import BuildOptions
from builder.pipeline.plan import judged, plan
from builder.pipeline.render import render
from builder.project import Project
from builder.recipe.model import Role
from builder.spec.descriptions import expected
from builder.store import Store

pytest_plugins = ["pipeline_fixtures"]

START = "runtime: toy\nnetwork: {cni: none}\n"
EXPECTED = {"etcd": "3.6.8", "coredns": "1.14.2", "pause": "3.10.2"}


@pytest.fixture
def several(sample: tuple[Project, Path]) -> Project:
    project, _ = sample
    for minor, version in (("1.36", "1.36.3"), ("1.37", "1.37.1")):
        section = {"files": {"kube-apiserver": "#!/bin/sh\n", "kubelet": f"#!/bin/sh\necho {version}\n"}}
        write(project.root / "pkg" / "kubernetes" / minor / "component.yml", {"version": version, "toy": section})
    write(project.root / "pkg" / "kubernetes" / "1.37" / "minor.yml", {**EXPECTED, "etcd": "3.7.0"})
    write(project.root / "pkg" / "kubernetes" / "1.36" / "minor.yml", EXPECTED)
    names = {"kube-apiserver": "registry.k8s.io/kube-apiserver:v{version}", "kubelet": "docker.io/kubeiso/kubelet:{version}"}
    for name, reference in names.items():
        image(project.root, name, image=reference, components={"kubernetes": {name: f"usr/bin/{name}"}})
    for name, reference in {"etcd": "etcd:3.6.8-0", "coredns": "coredns/coredns:v1.14.2", "pause": "pause:3.10.2"}.items():
        image(project.root, name, image=f"registry.k8s.io/{reference}")
    return project


def rendered(project: Project, more: str) -> Document:
    recipe = project.recipes / "x.yml"
    recipe.write_text(START + more)
    return Document.from_yaml(
        render(project, plan(project, recipe, None, BuildOptions()), Role.MASTER, Store(project.root / "cache"))
    )


def kubeadm(document: Document) -> str:
    return next(file.contents or "" for file in document.files or [] if file.path == "etc/kubeadm/kubeadm.yaml")


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("more", "version"),
    [
        ("", "1.37.1"), ("kubernetes: {version: 1.36.3}\n", "1.36.3"), ("kubernetes: {version: 1.37.1}\n", "1.37.1"),
        ("kubernetes: {version: '1.36'}\n", "1.36.3"), ("kubernetes: {version: '1.37'}\n", "1.37.1"),
    ],
)  # fmt: skip
def test_any_version_with_pins_can_be_asked_for(several: Project, more: str, version: str) -> None:
    document = rendered(several, more)
    assert f"docker.io/kubeiso/kubelet:{version}" in document.references()
    assert f"kubernetesVersion: v{version}" in kubeadm(document)
    assert ("imageTag: 3.6.8-0" in kubeadm(document)) is (version == "1.37.1"), "its kubeadm would take etcd 3.7.0"
    assert "dns:" not in kubeadm(document)


@pytest.mark.usefixtures("told")
def test_a_minor_that_is_no_default_is_had_by_its_name_alone(several: Project) -> None:
    write(several.root / "pkg" / "kubernetes" / "1.37" / "minor.yml", {**EXPECTED, "etcd": "3.7.0", "default": False})
    assert "kubernetesVersion: v1.36.3" in kubeadm(rendered(several, ""))
    assert "kubernetesVersion: v1.37.1" in kubeadm(rendered(several, "kubernetes: {version: '1.37'}\n"))


def test_what_lies_in_folders_of_minors_follows_the_recipes(several: Project) -> None:
    for minor, version in (("1.36", "3.6.8"), ("1.37", "3.7.0")):
        section = {"files": {"etcd": f"#!/bin/sh\necho {version}\n"}}
        write(several.root / "pkg" / "etcd" / minor / "component.yml", {"version": version, "toy": section})
    named = "registry.k8s.io/etcd:{version}-0"
    image(several.root, "etcd", image=named, components={"etcd": {"etcd": "usr/local/bin/etcd"}})
    for minor, tag in (("1.36", "3.6.8-0"), ("1.37", "3.7.0-0")):
        made = kubeadm(rendered(several, f"kubernetes: {{version: '{minor}'}}\n"))
        assert "imageTag: " not in made, f"kubeadm {minor} takes {tag} by itself"


def test_the_projects_own_minors_are_whole() -> None:
    here = Project.here()
    for minor in minors("kubernetes", here):
        version = describe("kubernetes", here, minor).version
        asked = expected(here, version)
        assert asked is not None and version.startswith(f"{minor}.")
        assert (asked.etcd, asked.coredns) == tuple(describe(name, here, version).version for name in ("etcd", "coredns"))
        assert describe("e2e", here, version).version == version
        for name in ("kubernetes", "e2e"):
            assert f"k8s.io/kubernetes v{version}" in (describe(name, here, version).folder / "go.mod").read_text()


def test_another_is_told_with_those_that_there_are(several: Project) -> None:
    recipe = several.recipes / "x.yml"
    recipe.write_text(START + "kubernetes: {version: 1.36.2}\n")
    (mistake,) = judged(several, recipe, {}).mistakes
    assert str(mistake).startswith("3:23: kubernetes.version: the recipe asks for Kubernetes 1.36.2, and pkg/kubernetes has")
    assert "1.36.3, 1.37.1" in mistake.message and "version: 1.37.1" in mistake.hint
