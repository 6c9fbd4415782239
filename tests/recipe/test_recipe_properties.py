"""Properties of the recipe loader that hold for any file."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from recipe_samples import check, make_project

from builder.project import Project
from builder.reading.mistake import Mistake
from builder.reading.words import nearest
from builder.recipe.access import Ssh
from builder.recipe.load import load_recipe
from builder.recipe.model import File, Kernel, Kubernetes, Network, Recipe, Service, Time

QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

# Where a group of each model stands in a recipe, as the keys before it; [] is a list with the group in it.
GROUPS: dict[type[BaseModel], str] = {
    Recipe: "", Kubernetes: "kubernetes", Network: "network", Kernel: "kernel", Ssh: "ssh", Time: "time",
    File: "files[0]", Service: "services[0]",
}  # fmt: skip
KEYS = [(model, key) for model in GROUPS for key in model.model_fields]
ALPHABET = "abcdefghijklmnopqrstuvwxyz_-"


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield make_project(Path(directory))


words = st.sampled_from([key for _, key in KEYS]) | st.text(max_size=8)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=4) | st.text(max_size=12)
    | st.sampled_from(["cri-containerd", "10.0.0.0/8", "{{ values.a }}", "{{ env }}", "{% if", "/etc/x", "0644", "\ud800"])
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.integers() | st.none(), inner, max_size=5),
    max_leaves=25,
)
top = st.dictionaries(st.sampled_from(list(Recipe.model_fields)), trees, max_size=6) | trees


def is_sound(mistakes: list[Mistake], project: Path) -> None:
    """Mistakes are in order and complete sentences; without any the recipe loads."""
    assert [mistake.line for mistake in mistakes] == sorted(mistake.line for mistake in mistakes)
    assert all(mistake.message and str(mistake) for mistake in mistakes)
    if not mistakes:
        assert isinstance(load_recipe(project / "recipes" / "x.yml", Project(project)), Recipe)


@QUICK
@given(value=top)
def test_any_value_tree_gives_mistakes_or_a_recipe(project: Path, value: Any) -> None:
    is_sound(check(project, yaml.dump(value, allow_unicode=False)), project)


@QUICK
@given(text=st.text(alphabet=st.sampled_from("ab:- \n[]{}'\"|>&*!#%@,?~<0\t\\\x00é"), max_size=40))
def test_any_text_gives_mistakes_or_a_recipe(project: Path, text: str) -> None:
    is_sound(check(project, "runtime: cri-containerd\n" + text), project)


@QUICK
@given(data=st.binary(max_size=40))
def test_any_bytes_give_mistakes_or_a_recipe(project: Path, data: bytes) -> None:
    is_sound(check(project, data), project)


@QUICK
@given(text=st.text(alphabet="{}%#- .'\"|values.nmreci(0)~", max_size=30))
def test_any_template_gives_mistakes_or_a_recipe(project: Path, text: str) -> None:
    recipe = {"runtime": "cri-containerd", "files": [{"path": "/a", "contents": text + "{{" + text + "}}"}]}
    is_sound(check(project, yaml.safe_dump(recipe)), project)


def edits(word: str) -> Iterator[str]:
    """Every word that is one letter more, less or other, or has two neighbours swapped."""
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        yield from (before + letter + after for letter in ALPHABET)
        yield from (before + letter + after[1:] for letter in ALPHABET if after)
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]


def misspelt(group: str, key: str) -> dict[str, Any]:
    recipe: dict[str, Any] = {"runtime": "cri-containerd"}
    if not group:
        return {**recipe, key: None}
    name, is_list, _ = group.partition("[")
    return {**recipe, name: [{key: None}] if is_list else {key: None}}


@pytest.mark.parametrize(("model", "key"), KEYS)
def test_one_edit_away_the_right_key_is_the_nearest(model: type[BaseModel], key: str) -> None:
    far = [wrong for wrong in edits(key) if wrong not in model.model_fields and key not in nearest(wrong, model.model_fields)]
    assert far == []


@QUICK
@given(place=st.sampled_from(KEYS), data=st.data())
def test_a_misspelt_key_is_reported_with_the_right_one(
    project: Path, place: tuple[type[BaseModel], str], data: st.DataObject
) -> None:
    model, key = place
    wrong = data.draw(st.sampled_from(sorted({edit for edit in edits(key) if edit not in model.model_fields})))
    group = GROUPS[model]
    path = f"{group}.{wrong}".removeprefix(".")
    hints = [
        mistake.hint
        for mistake in check(project, yaml.safe_dump(misspelt(group, wrong)))
        if (mistake.path, mistake.message) == (path, "unknown key")
    ]
    assert len(hints) == 1
    assert f"'{key}'" in hints[0]
