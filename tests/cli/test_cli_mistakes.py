"""The user's mistakes: exit code 2, each named at its place, and nothing done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Outcome, Program, files

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]

MAKERS = [("render",), ("build",), ("up",), ("test",)]


@pytest.mark.parametrize("verb", MAKERS)
def test_an_unknown_runtime(kubeiso: Run, program: Program, verb: tuple[str, ...]) -> None:
    done = kubeiso(*verb, "--runtime", "toys")
    assert done.failed(2, "there is no recipe for the runtime toys", next="did you mean 'toy'?  known are: toy")
    assert files(program.home) == []


def test_a_runtime_that_nothing_is_like(kubeiso: Run) -> None:
    done = kubeiso("build", "--runtime", "zzz")
    assert done.failed(2, "zzz", next="known are: toy")
    assert "did you mean" not in done.told


def test_a_runtime_without_a_description(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: toys\n")
    assert kubeiso("build", "--recipe", recipe).failed(2, f"{recipe}:1:10: runtime: unknown runtime 'toys'", "'toy'")


@pytest.mark.parametrize("verb", MAKERS)
def test_a_runtime_and_a_recipe_together(kubeiso: Run, verb: tuple[str, ...]) -> None:
    done = kubeiso(*verb, "--runtime", "toy", "--recipe", "toy.yml")
    assert done.failed(2, "--runtime and --recipe are given together", next="give one of them")


def test_a_recipe_that_is_not_there(kubeiso: Run, tmp_path: Path) -> None:
    write(tmp_path, "runtime: toy\n")
    done = kubeiso("build", "--recipe", tmp_path / "my.yaml")
    assert done.failed(2, f"{tmp_path}/my.yaml: the file does not exist (did you mean 'my.yml'?)", next="correct the recipe")


def write(folder: Path, text: str) -> Path:
    path = folder / "my.yml"
    path.write_text(text)
    return path


def test_a_misspelt_key(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: toy\nnetwork:\n  cni: cable\n  pod_subnt: 10.0.0.0/16\n")
    done = kubeiso("check", recipe)
    assert done.failed(2, f"{recipe} has a mistake", f"{recipe}:4:3: network.pod_subnt: ", "'pod_subnet'", next="kubeiso check")


def test_a_wrong_type(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: toy\nnetwork: {cni: cable}\nroles: master\n")
    assert kubeiso("check", recipe).failed(2, f"{recipe}:3:8: roles: expected a list", "got a text", next="kubeiso check")


@pytest.mark.parametrize("verb", [("check",), ("build", "--recipe")])
def test_every_mistake_of_a_file_is_told_at_once(kubeiso: Run, program: Program, tmp_path: Path, verb: tuple[str, ...]) -> None:
    recipe = write(tmp_path, "runtime: toy\nnetwork:\n  cni: cabel\nssh:\n  keys: []\n")
    done = kubeiso(*verb, recipe)
    assert done.failed(2, "2 mistakes", f"{recipe}:3:8: network.cni", "'cable'", f"{recipe}:5:3: ssh.keys", next="correct")
    assert done.out == ""
    assert files(program.home) == []


def test_what_is_no_yaml(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: toy\n\tnetwork: x\n")
    assert kubeiso("check", recipe).failed(2, f"{recipe}:2:1: not valid YAML: a tab", next="kubeiso check")


def test_a_value_that_was_not_given(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: '{{ values.which }}'\nnetwork: {cni: cable}\n")
    assert kubeiso("check", recipe).failed(2, f"{recipe}:1:10: runtime: values.which is not defined", "--set which=")
    assert kubeiso("check", recipe, "--set", "which=toy").code == 0
    assert kubeiso("check", recipe, "--set", "which").failed(2, "--set 'which' is not NAME=VALUE", next="--set name=value")
    assert kubeiso("build", "--component", "x=").failed(2, "--component 'x=' is not NAME=VALUE", next="--component name=value")


def test_no_mistakes(kubeiso: Run, program: Program) -> None:
    recipe = program.toy.root / "recipes" / "toy.yml"
    done = kubeiso("check", recipe)
    assert (done.code, done.out, done.told) == (0, f"{recipe}: no mistakes\n", "")


def test_mistakes_for_machines(kubeiso: Run, tmp_path: Path) -> None:
    recipe = write(tmp_path, "runtime: toy\nnetwork: {cni: cable}\nrolls: [master]\nkernel: 3\n")
    done = kubeiso("check", "--json", recipe)
    told = json.loads(done.out)
    assert done.code == 2
    assert told["recipe"] == str(recipe)
    assert [(mistake["path"], mistake["line"], mistake["column"]) for mistake in told["mistakes"]] == [
        ("rolls", 3, 1),
        ("kernel", 4, 9),
    ]
    assert told["mistakes"][0]["hint"] == "did you mean 'roles'?"


def test_no_mistakes_for_machines(kubeiso: Run, program: Program) -> None:
    recipe = program.toy.root / "recipes" / "toy.yml"
    done = kubeiso("check", "--json", recipe)
    assert (done.code, json.loads(done.out)) == (0, {"recipe": str(recipe), "mistakes": [], "advice": []})


def test_the_schema(kubeiso: Run) -> None:
    done = kubeiso("check", "--schema")
    schema = json.loads(done.out)
    assert done.code == 0
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "runtime" in schema["required"] and "network" in schema["properties"]


def test_check_without_a_recipe(kubeiso: Run) -> None:
    assert kubeiso("check").failed(2, "no recipe is given", next="kubeiso check recipes/")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("initrd=nowhere", "initrd: nowhere does not exist"),
        ("inird=nowhere", "inird: there is no component inird; did you mean 'initrd'?"),
    ],
)
def test_a_component_that_can_t_be_taken(kubeiso: Run, program: Program, given: str, what: str) -> None:
    done = kubeiso("build", "--runtime", "toy", "--component", given)
    assert done.failed(2, what, next="the components are: image-store, initrd, kubernetes")
    assert files(program.home) == []


def test_a_component_without_one_of_its_files(kubeiso: Run, program: Program) -> None:
    others = [word for word in program.toy.components if not word.startswith("kubernetes=")][:-1]
    done = kubeiso("build", "--runtime", "toy", *others, "--component", f"kubernetes={program.toy.files / 'initrd'}")
    assert done.failed(2, "missing kube-apiserver, kubectl, kubelet", why="has 3 files", next="--component kubernetes/FILE=PATH")


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("build", "--runtime", "toy", "--role", "slave"), "there is no role slave", "known are: all, master, worker"),
        (("build", "--runtime", "toy", "--role", "worker"), "toy.yml has no role worker", "add it to `roles`"),
        (("build", "--runtime", "toy", "--assembler", "natve"), "there is no assembler natve", "did you mean 'native'?"),
        (("test", "--runtime", "toy", "--suite", "smok"), "there is no suite smok", "did you mean 'smoke'?"),
        (("up", "--runtime", "toy", "--nodes", "1", "--masters", "2"), "2 masters do not fit in 1 nodes", "--nodes 2 or more"),
        (
            ("test", "--runtime", "toy", "--suite", "failover", "--nodes", "2", "--masters", "2", "--disk", "4096"),
            "the suite failover needs three masters and disks",
            "--masters 3 --nodes 4 --disk 4096",
        ),
        (("up", "--runtime", "toy", "--nodes", "2"), "toy.yml has no role worker", "roles"),
        (("test", "--runtime", "toy", "--suite", "conformance"), "the suite conformance needs two nodes", "--nodes 2"),
        (("test", "--suite", "smoke", "--draw", "3"), "--draw says nothing to the suite smoke", "--suite conformance"),
        (("test", "--focus", "Pods"), "--focus says nothing to the suite smoke", "--suite conformance"),
        (("test", "--suite", "full", "--resume"), "--resume says nothing to the suite full", "--suite conformance"),
        (("test", "--suite", "conformance", "--seed", "7"), "--seed without --draw", "--draw 40 --seed 7"),
        (("test", "--suite", "conformance", "--resume", "--draw", "3"), "--resume and --draw are given", "one of them"),
        (("test", "--suite", "conformance", "--focus", ""), "--focus is empty", "leave it out"),
        (("test", "--runtime", "toy", "--suite", "full"), "the suite full needs a worker and disks", "--nodes 3 --disk 4096"),
        (("up", "--runtime", "toy", "--name", "My Cluster"), "'My Cluster' is no name for a cluster", "small letters"),
    ],
)
def test_a_word_that_is_not_known(kubeiso: Run, program: Program, words: tuple[str, ...], what: str, hint: str) -> None:
    assert kubeiso(*words).failed(2, what, next=hint)
    assert files(program.out) == []


def test_results_that_can_go_nowhere(kubeiso: Run, program: Program) -> None:
    (program.home / "file").touch()
    done = kubeiso(*program.to_build, "--out", "file/out")
    assert done.failed(2, "results can't go to file/out", why="Not a directory", next="--out")


def test_no_project(kubeiso: Run, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_PROJECT", str(program.home))
    assert kubeiso("build").failed(2, "is not a kubeiso project", why="no folder pkg/", next="KUBEISO_PROJECT")


def test_pins_that_are_gone(own_program: Program) -> None:
    (own_program.toy.root / "components.lock").unlink()
    assert own_program.build().failed(2, "components.lock is missing", why="pins", next="kubeiso lock --update")
    assert files(own_program.out) == []


def test_a_description_of_an_image_with_mistakes(own_program: Program) -> None:
    shutil.copyfile(own_program.toy.root / "recipes" / "toy.yml", own_program.toy.root / "pkg" / "nginx" / "image.yml")
    done = own_program.build()
    assert done.failed(2, "pkg/nginx/image.yml has 4 mistakes", "runtime: unknown key")
    assert files(own_program.out) == []


def test_render_without_a_role_takes_what_the_recipe_has(kubeiso: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "workers.yml"
    recipe.write_text("runtime: toy\nnetwork: {cni: cable}\nroles: [worker]\n")
    done = kubeiso("render", "--recipe", recipe)
    assert (done.code, "images-worker" in done.out) == (0, True), done.told


def test_a_value_may_be_empty(kubeiso: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "motd.yml"
    recipe.write_text("runtime: toy\nnetwork: {cni: cable}\nfiles: [{path: /etc/motd, contents: '<{{ values.motd }}>'}]\n")
    assert kubeiso("check", recipe, "--set", "motd=").code == 0
    assert "contents: <>" in kubeiso("render", "--recipe", recipe, "--set", "motd=").out


def test_check_tells_what_only_the_node_shows(kubeiso: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "my.yml"
    recipe.write_text(
        "runtime: toy\nnetwork: {cni: cable}\nfiles: [{path: /etc, contents: x}]\nservices: [{name: zz, image: kubelet}]\n"
    )
    done = kubeiso("check", recipe)
    assert done.failed(2, "my.yml has 2 mistakes")
    assert "my.yml:3:16: files[0].path: /etc is a folder" in done.told
    assert "my.yml:4:19: services[0].name: kubelet is one of the node's own" in done.told
