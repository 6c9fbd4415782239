"""Images of others that a recipe names: what `check` tells, and what the node's runtimes are told."""

from pathlib import Path

import pytest
from foreign_images import archived, layout
from spec_samples import file_of, mistakes_of, spec_of

from builder.pipeline.plan import judged
from builder.project import Project
from builder.recipe.load import load_recipe
from builder.recipe.model import Recipe

PINNED = f"docker.io/team/app:1@sha256:{'0' * 64}"


def test_cri_o_never_removes_them() -> None:
    recipe = Recipe.model_validate({"runtime": "cri-o", "images": [{"name": PINNED}]})
    text = file_of(spec_of(recipe), "etc/crio/crio.conf.d/10-kubeiso.conf")
    assert 'pinned_images = ["registry.k8s.io/*", "docker.io/kubeiso/*", "docker.io/team/app:1"]' in text


def test_a_tar_and_a_layout_lie_beside_the_recipe_also_of_a_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    archived(layout(tmp_path / "a", ("docker.io/team/app:1", "x")), tmp_path / "base/a.tar")
    layout(tmp_path / "base/l", ("x", "x"))
    given = "images:\n- {name: docker.io/team/app:1, source: a.tar}\n- {name: r.example:5000/team/app:1, source: l}\n"
    (tmp_path / "base/own.yml").write_text(f"runtime: cri-containerd\n{given}")
    (tmp_path / "own.yml").write_text("extend: base/own.yml\n")
    for path in (tmp_path / "base/own.yml", tmp_path / "own.yml"):
        assert judged(Project.here(), path, {}).mistakes == []
    found = load_recipe(tmp_path / "own.yml", Project.here()).images
    assert [each.source for each in found] == [str(tmp_path / "base/a.tar"), str(tmp_path / "base/l")]


WRONG = {
    "images: [{name: app}]": "expected an image's full name with its tag",
    "images: [{name: docker.io/team/app}]": "expected an image's full name with its tag",
    "images: [{name: docker.io/team/app:1}]": "has neither a source nor a digest (add source: FILE, or write NAME:TAG@sha256:",
    "images: [{name: docker.io/team/app:1, source: no.tar}]": "'no.tar' does not exist",
    "images: [{name: docker.io/team/app:1, source: .}]": "'.' is a directory",
    f"images: [{{name: '{PINNED}'}}, {{name: '{PINNED}'}}]": "is here a second time (first: images[0])",
    "images: [docker.io/team/app:1]": "expected a group of keys, got a text",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes(tmp_path: Path, text: str) -> None:
    (told,) = mistakes_of(text, tmp_path)
    assert WRONG[text] in told
