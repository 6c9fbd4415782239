"""Objects that a recipe gives to a new cluster: files beside it, of which `check` tells what kubectl would not take."""

from pathlib import Path

import pytest
from foreign_images import archived, layout
from spec_samples import spec_of

from builder.pipeline.plan import judged
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Role

GOOD = """---
# nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
---
apiVersion: v1
kind: PodList
items: []
"""


def told(tmp_path: Path, text: str | bytes, name: str = "one.yaml") -> list[str]:
    (tmp_path / "one.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    path = tmp_path / "own.yml"
    path.write_text(f"runtime: cri-containerd\nmanifests:\n  - {name}\n")
    return [mistake.located("") for mistake in judged(Project.here(), path, {}).mistakes]


def test_masters_get_them_in_their_order_after_those_of_networks(tmp_path: Path) -> None:
    for name in ("b b.yaml", "a.yaml"):
        (tmp_path / name).write_text(GOOD)
    path = tmp_path / "own.yml"
    path.write_text("runtime: cri-containerd\nnetwork: {cni: flannel}\nmanifests: ['b b.yaml', a.yaml]\n")
    recipe = load_recipe(path, Project.here())
    held = {role: spec_of(recipe, role=role, folder=tmp_path) for role in Role}
    folder = "etc/kubeadm/kube-system.init"
    names = sorted(file.path for file in held[Role.MASTER].files if file.path.startswith(f"{folder}/"))
    assert names[-2:] == [f"{folder}/80-000-b-b.yaml", f"{folder}/80-001-a.yaml"] and "50-flannel.yaml" in names[0]
    (text,) = [file.contents for file in held[Role.MASTER].files if file.path == names[-1]]
    assert text == GOOD
    assert not [file for file in held[Role.WORKER].files if "/80-" in file.path]


def test_a_recipe_that_extends_another_has_its_manifests_too(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    assert told(tmp_path / "base", GOOD) == []
    path = tmp_path / "own.yml"
    path.write_text("extend: base/own.yml\n")
    assert judged(Project.here(), path, {}).mistakes == []
    assert load_recipe(path, Project.here()).manifests == (str(tmp_path / "base/one.yaml"),)


POD = """apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: x}
  spec:
    template:
      spec:
        initContainers: [{image: busybox}]
        containers: [{image: "team/app:1"}, {image: "r.example:5000/b:2"}]
"""


def advised(tmp_path: Path, pod: str) -> list[str]:
    """What is told of a manifest, of a recipe that holds team/app:1 and has no mistakes."""
    (tmp_path / "pod.yaml").write_text(pod)
    archived(layout(tmp_path / "l", ("docker.io/team/app:1", "x")), tmp_path / "app.tar")
    path = tmp_path / "own.yml"
    path.write_text("runtime: cri-containerd\nmanifests: [pod.yaml]\nimages: [{name: docker.io/team/app:1, source: app.tar}]\n")
    found = judged(Project.here(), path, {})
    assert found.mistakes == []
    return [line for line in found.advice if "pod.yaml" in line]


def test_images_that_the_nodes_would_have_to_pull_are_told(tmp_path: Path) -> None:
    (told,) = advised(tmp_path, POD)
    assert ": docker.io/library/busybox:latest, r.example:5000/b:2; " in told


def test_images_of_the_node_itself_and_held_ones_are_none_of_these(tmp_path: Path) -> None:
    assert not advised(tmp_path, POD.replace("busybox", "docker.io/kubeiso/client:1").replace("r.example:5000/b:2", "team/app:1"))


WRONG = {
    "kind: ConfigMap\nmetadata: {name: x}\n": "line 1: the object has no apiVersion",
    f"{GOOD}---\napiVersion: v1\nkind: Pod\nmetadata: {{generateName: x-}}\n": "line 12: the object has no metadata.name",
    "- a\n": "line 1: there is no Kubernetes object",
    "# nothing\n": "has no object",
    "apiVersion: v1\nkind: [\n": "is no YAML: line 3",
    b"\xff\xfe\x00": "is no text",
    f"{GOOD}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: x, labels: !secret y}}\n": "is no YAML: line 14",
    f"{GOOD}---\napiVersion: v1\nkind: Pod\nmetadata: &m {{name: x, labels: *m}}\n": "is no YAML: Circular reference",
    f"# {'x' * (1 << 20)}\n{GOOD}": "is longer than 1 MiB (split it)",
}


@pytest.mark.parametrize("text", WRONG, ids=WRONG.values())
def test_what_the_api_server_can_not_take(tmp_path: Path, text: str | bytes) -> None:
    (mistake,) = told(tmp_path, text)
    assert mistake.startswith(":3:5: manifests[0]: 'one.yaml' ") and WRONG[text] in mistake


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (mistake,) = told(tmp_path, GOOD, "two.yaml")
    assert "'two.yaml' does not exist (the path is relative to the recipe's folder)" in mistake
