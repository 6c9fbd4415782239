"""Where a node's logs go: what a recipe may name, and what becomes of it."""

from pathlib import Path

import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.recipe.model import Recipe


def recipe(**logs: object) -> Recipe:
    return Recipe.model_validate({"runtime": "cri-containerd", "logs": logs})


def test_a_node_has_the_service_where_its_recipe_names_a_place_and_only_there() -> None:
    spec = spec_of(recipe(forward="tcp://192.0.2.5:5170"))
    assert file_of(spec, "etc/logs/forward") == "tcp://192.0.2.5:5170\n"
    assert "log-forward" in [service.name for service in spec.services]
    usual = spec_of(recipe())
    assert "log-forward" not in [service.name for service in usual.services]
    assert "etc/logs/forward" not in {file.path for file in usual.files}


@pytest.mark.parametrize("place", ["udp://h:1", "tcp://h", "tcp://h:0", "h:5170", "tcp://h:5170/x", "tcp://:5170", "tcp://a b:1"])
def test_what_is_no_place_is_told(tmp_path: Path, place: str) -> None:
    (told,) = mistakes_of(f"logs: {{forward: '{place}'}}", tmp_path)
    assert "logs.forward: expected an address such as tcp://192.0.2.5:5170" in told
