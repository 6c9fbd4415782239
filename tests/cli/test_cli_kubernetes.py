"""--kubernetes-dir on the command line: what it takes, what it tells, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes_samples import NEXT, own, program, write
from program import Outcome, Program, files
from toy_project import KUBERNETES

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]

MAKERS = ["render", "build", "up", "test"]
TAG = NEXT.replace("+", "_")
NAMES = ("kube-apiserver", "kubectl", "kubelet")


def others(program: Program) -> list[str]:
    """The options that give every component but Kubernetes."""
    words = program.toy.components
    return [word for pair in zip(words[::2], words[1::2], strict=True) if "kubernetes=" not in pair[1] for word in pair]


def clone(folder: Path, version: str = NEXT) -> Path:
    """A clone of Kubernetes in which all was built."""
    write(folder / "_output/local/bin/linux/amd64", {name: own(name, version) for name in NAMES})
    (folder / "_output/bin").symlink_to("local/bin/linux/amd64")
    return folder


@pytest.mark.parametrize("verb", MAKERS)
def test_every_verb_that_makes_media_has_it_and_shows_it(kubeiso: Run, verb: str) -> None:
    done = kubeiso(verb, "--help")
    assert "--kubernetes-dir" in done.out and "_output/bin" in done.out
    assert ("--kubernetes-dir" in done.out.partition("Example")[2]) is (verb in ("build", "up"))


def test_a_build_of_one_s_own(program: Program, tmp_path: Path) -> None:
    given = clone(tmp_path / "clone")
    done = program.run("build", "--runtime", "toy", *others(program), "--kubernetes-dir", given)
    assert done.code == 0, done.told
    assert f"Kubernetes v{NEXT} with your own kube-apiserver, kubectl, kubelet (v{NEXT})\n" in done.told
    assert done.out.endswith(f"Kubernetes v{NEXT}\n")
    found = json.loads((program.out / "kubeiso-toy-master.iso.build.json").read_text())
    assert found["images"]["kube-apiserver"]["name"] == f"example.test/kube-apiserver:v{TAG}"
    assert found["components"]["kubernetes"]["own"] == dict.fromkeys(NAMES, NEXT)
    assert found["spec"]["kubernetes_version"] == NEXT
    bill = json.loads((program.out / "kubeiso-toy-master.iso.spdx.json").read_text())
    assert [each["versionInfo"] for each in bill["packages"] if each["name"] == "kubernetes"] == [NEXT]
    again = program.run("build", "--runtime", "toy", *others(program), "--kubernetes-dir", given / "_output/bin", "--json")
    (medium,) = json.loads(again.out)["media"]
    assert (medium["kubernetes"], medium["id"]) == (NEXT, found["id"])


def test_render_with_one_s_own(kubeiso: Run, program: Program, tmp_path: Path) -> None:
    write(tmp_path / "own", {name: own(name, NEXT) for name in NAMES})
    words = ("render", "--runtime", "toy", *others(program))
    done = kubeiso(*words, "--kubernetes-dir", tmp_path / "own")
    assert done.code == 0 and f"kubernetesVersion: v{NEXT}" in done.out and f"VERSION_ID={TAG}" in done.out
    assert NEXT not in kubeiso(*words, "--component", f"kubernetes={program.toy.files / 'kubernetes'}").out


def test_programs_that_the_folder_lacks_are_the_pinned_release_s(own_program: Program, tmp_path: Path) -> None:
    """Here there are none: the release has no source."""
    (own_program.toy.root / "pkg" / "kubernetes" / "go.mod").write_text("module toy\n")
    write(tmp_path / "own", {"kubelet": own("kubelet", "1.36.4")})
    done = own_program.run("build", "--runtime", "toy", *others(own_program), "--kubernetes-dir", tmp_path / "own")
    assert "with your own kubelet (v1.36.4); the other programs are v1.36.3\n" in done.told
    assert done.failed(4, f"the component kubernetes {KUBERNETES} can't be had", "golang: ")


@pytest.mark.parametrize("verb", MAKERS)
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no such folder"),
        (lambda folder: (folder / "README").touch(), "there is none of Kubernetes' programs"),
        (lambda folder: write(folder, {"kubelet": program("", machine=183)}), "it is for arm64"),
        (lambda folder: write(folder / "_output/bin", {"kubelet": b"#!/bin/sh\n"}), "it is a script"),
    ],
    ids=["no folder", "no programs", "arm64", "a script"],
)
def test_a_folder_that_can_t_be_used(
    kubeiso: Run, program: Program, tmp_path: Path, verb: str, make: Callable[[Path], object], what: str
) -> None:
    given = tmp_path / "own"
    given.mkdir()
    make(given)
    done = kubeiso(verb, "--runtime", "toy", "--kubernetes-dir", given)
    assert done.failed(2, f"--kubernetes-dir {given}", what)
    assert files(program.out) == []


@pytest.mark.parametrize(
    ("programs", "words", "what"),
    [
        ({"kubelet": own("kubelet", NEXT)}, (), f"kubelet v{NEXT}: it may be at most 3 minor versions older, and not newer"),
        ({"kubelet": own("kubelet", "0.0.0-master+$Format:%H$")}, (), "was built without a version"),
        ({"kubelet": program("hello")}, (), "does not tell its version"),
        (
            {"kubelet": own("kubelet", NEXT)},
            ("--component", "kubernetes/kubectl=x"),
            "and --component kubernetes/kubectl are given",
        ),
    ],
    ids=["skew", "no version", "another program", "both options"],
)
def test_programs_that_can_t_be_used(
    kubeiso: Run, program: Program, tmp_path: Path, programs: dict[str, bytes], words: tuple[str, ...], what: str
) -> None:
    (program.home / "x").touch()
    given = write(tmp_path / "own", programs)
    done = kubeiso("build", "--runtime", "toy", *others(program), "--kubernetes-dir", given, *words)
    assert done.failed(2, "--kubernetes-dir", what)
    assert files(program.out) == []


def test_a_recipe_for_another_kubernetes(kubeiso: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "my.yml"
    recipe.write_text("runtime: toy\nnetwork: {cni: cable}\nkubernetes: {version: 1.35.0}\n")
    done = kubeiso("build", "--recipe", recipe)
    assert done.failed(2, "my.yml has a mistake")
    assert "my.yml:3:23: kubernetes.version: the recipe asks for Kubernetes 1.35.0, and pkg/kubernetes has 1.36.3" in done.told
    assert "--kubernetes-dir" in done.told
