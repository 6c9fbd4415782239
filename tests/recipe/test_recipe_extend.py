"""A recipe that extends another."""

from pathlib import Path

import pytest

from builder.errors import InputError
from builder.project import Project
from builder.recipe.load import check_recipe, load_recipe
from builder.recipe.model import Recipe

HERE = Project.here()
BASE = """
runtime: cri-containerd
network: {cni: flannel, domain: base.example}
kernel: {arguments: [quiet], sysctl: {net.core.somaxconn: '1'}}
files:
  - {path: /etc/base, source: base.txt}
kubelet: {maxPods: 50}
"""


def written(folder: Path, **texts: str) -> Path:
    """The files; the path of the first one."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return folder / f"{next(iter(texts))}.yml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/base.txt").write_text("of the base")
    (tmp_path / "shared/base.yml").write_text(BASE)
    return tmp_path


def said(path: Path) -> list[str]:
    return [mistake.located("") for mistake in check_recipe(path, HERE)]


def test_groups_go_together_and_all_else_is_its_own(folder: Path) -> None:
    text = """
extend: shared/base.yml
network: {domain: own.example}
kernel: {arguments: [debug], sysctl: {net.core.netdev_max_backlog: '2'}}
kubelet: {podPidsLimit: 9}
"""
    recipe = load_recipe(written(folder, own=text), HERE)
    assert (recipe.runtime, recipe.network.cni, recipe.network.domain) == ("cri-containerd", "flannel", "own.example")
    assert recipe.kernel.arguments == ("debug",), "a list is its own"
    assert recipe.kernel.sysctl == {"net.core.somaxconn": "1", "net.core.netdev_max_backlog": "2"}
    assert recipe.kubelet == {"maxPods": 50, "podPidsLimit": 9}
    assert [Path(str(file.source)) for file in recipe.files] == [folder / "shared/base.txt"], "from the base's own folder"


def test_one_of_the_program_s_own_recipes_by_its_name(folder: Path) -> None:
    recipe = load_recipe(written(folder, own="extend: docker\nnetwork: {cni: flannel}\n"), HERE)
    whole = load_recipe(HERE.recipes / "docker.yml", HERE)
    assert recipe.network.cni == "flannel"
    assert recipe.model_copy(update={"network": whole.network, "extend": None}) == whole


def test_a_base_of_a_base_and_its_values(folder: Path) -> None:
    middle = "extend: base.yml\nnetwork: {domain: '{{ values.domain }}'}\n"
    (folder / "shared/middle.yml").write_text(middle)
    path = written(folder, own="extend: shared/middle.yml\nkernel: {watchdog: 30}\n")
    recipe = load_recipe(path, HERE, {"domain": "middle.example"})
    assert (recipe.network.domain, recipe.network.cni, recipe.kernel.watchdog) == ("middle.example", "flannel", 30)


def test_the_name_in_a_base_is_that_of_the_recipe(folder: Path) -> None:
    (folder / "shared/base.yml").write_text("runtime: cri-containerd\nnetwork: {domain: '{{ recipe.name }}.example'}\n")
    assert load_recipe(written(folder, mine="extend: shared/base.yml\n"), HERE).network.domain == "mine.example"


WRONG = {
    "extend: nothing.yml\n": ":1:9: extend: there is no recipe 'nothing.yml'",
    "extend: dokcer\n": ":1:9: extend: there is no recipe 'dokcer' (did you mean 'docker'?",
    "extend: own.yml\n": ":1:9: extend: 'own.yml' extends this recipe",
    "extend: ring.yml\n": ":1:9: extend: 'ring.yml' has a mistake: ring.yml:1:9: extend: 'own.yml' extends this recipe",
    "extend: broken.yml\n": ":1:9: extend: 'broken.yml' has a mistake: broken.yml:2:1:",
    "extend: [a]\nruntime: docker\n": ":1:9: extend: expected a text, got a list",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(folder: Path, text: str) -> None:
    path = written(folder, own=text, ring="extend: own.yml\n", broken="runtime: docker\nruntime: docker\n")
    found = said(path)
    assert len(found) == 1 and found[0].startswith(WRONG[text]), found


def test_a_wrong_value_is_told_where_it_stands(folder: Path) -> None:
    path = written(folder, own="extend: shared/base.yml\nnetwork:\n  pod_subnet: 10.96.0.0/16\n")
    (told,) = said(path)
    assert told.startswith(":3:"), "two values that clash: the one that stands here"
    (folder / "shared/base.yml").write_text("runtime: cri-containerd\nnetwork: {cni: none}\n")
    (told,) = said(path.parent / "own.yml")[:1]
    assert "network" in told


def test_what_only_the_base_lacks_may_come_from_above(folder: Path) -> None:
    (folder / "shared/base.yml").write_text("network: {cni: flannel}\n")
    recipe = load_recipe(written(folder, own="extend: shared/base.yml\nruntime: docker\n"), HERE)
    assert isinstance(recipe, Recipe) and recipe.runtime == "docker"
    with pytest.raises(InputError, match="the key is missing"):
        load_recipe(folder / "shared/base.yml", HERE)
