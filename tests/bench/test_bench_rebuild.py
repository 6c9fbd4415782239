"""What the store saves: a rebuild against a build, layers that are known against layers that are not."""

from pathlib import Path

import pytest
import yaml
from bench_ratio import Ratios, prose, seconds
from media_samples import item, node_items, tree_of
from pipeline_samples import planned, store_with

from builder.media.layers import make_layers
from builder.pipeline.build import build
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Digest, Store

pytest_plugins = ["bench_fixtures", "pipeline_fixtures"]
pytestmark = pytest.mark.bench

LARGE = 12 << 20


def test_a_rebuild_after_an_edit_of_a_recipe_s_file(sample: tuple[Project, Path], tmp_path: Path, ratios: Ratios) -> None:
    project, deb = sample
    (project.pkg / "containerd" / "files").mkdir()
    (project.pkg / "containerd" / "files" / "large").write_bytes(prose(LARGE))
    recipe, text = project.recipes / "toy.yml", project.recipes / "motd"
    recipe.write_text(recipe.read_text() + yaml.safe_dump({"files": [{"path": "/etc/motd", "source": "motd"}]}))
    store = store_with(tmp_path / "cache", deb)
    digests: list[Digest] = []

    def edit() -> None:
        text.write_text(f"edit {len(digests)}")
        make()

    def make() -> None:
        (built,) = build(project, planned(project, Role.WORKER), store, tmp_path / "out", BuildOptions())
        digests.append(built.media.sha256)

    cold = seconds(edit)
    edited = seconds(edit, times=3)
    unchanged = seconds(make, times=3)
    assert len(set(digests[:4])) == 4 and set(digests[3:]) == {digests[3]}
    says = f"an edit makes no image and no large layer again ({LARGE >> 20} MiB here); more where layers are larger"
    ratios.add("cold build / rebuild after an edit of a recipe's file", cold, edited, says)
    says = "near 1: the root tree and its small layer are little beside the medium itself"
    ratios.add("rebuild after an edit / rebuild without one", edited, unchanged, says)


def test_layers_that_are_in_the_store(tmp_path: Path, ratios: Ratios) -> None:
    tree = tree_of(tmp_path, *node_items(), item("usr/bin/large", prose(LARGE), at="services[0]"))
    store, made = Store(tmp_path / "cache"), []
    missed = seconds(lambda: made.append(make_layers(tree, store)))
    met = seconds(lambda: made.append(make_layers(tree, store)), times=3)
    assert all(each == made[0] for each in made)
    says = "a hit costs a hash of the contents and no compression"
    assert ratios.add("squashfs layers made / taken from the store", missed, met, says) > 3
