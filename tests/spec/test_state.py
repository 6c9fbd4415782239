"""The state disk: what a recipe says of it, and what the step at boot is told."""

from typing import Any

import pytest
from spec_samples import spec_of

from builder.recipe.model import Recipe, State


def settings(state: State) -> dict[str, Any]:
    return next(step for step in spec_of(Recipe(runtime="cri-containerd", state=state)).onboot if step.name == "state").settings


def command(state: State) -> Any:
    return settings(state).get("command")


def test_a_recipe_that_says_nothing_leaves_the_step_as_it_is() -> None:
    assert command(State()) is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(need="required"), ["-need", "required"]),
        (State(need="none"), ["-need", "none"]),
        (
            State(need="required", label="DATA", path="/dev/vdb", smallest="20Gi", format="blank"),
            ["-need", "required", "-label", "DATA", "-path", "/dev/vdb", "-smallest", str(20 << 30), "-format", "blank"],
        ),
        (State(smallest="512Mi"), ["-smallest", str(512 << 20)]),
    ],
)
def test_the_step_is_told_what_the_recipe_says(state: State, words: list[str]) -> None:
    assert command(state) == ["/usr/bin/state", *words]


@pytest.mark.parametrize("state", [State(), State(need="required"), State(need="required", format="blank")], ids=str)
def test_whatever_a_recipe_says_nobody_ends_the_step_while_it_waits_or_checks_the_disk(state: State) -> None:
    assert settings(state)["annotations"]["org.kubeiso.limit"] == "0"


def test_the_metadata_which_may_name_the_disk_are_read_before_it_is_looked_for() -> None:
    steps = [entry.name for entry in spec_of(Recipe(runtime="cri-containerd")).onboot]
    assert steps.index("metadata") < steps.index("state")
