"""AppArmor's profiles, from recipe to node."""

from pathlib import Path

import pytest
from spec_samples import file_of, mistakes_of, spec_of

from builder.project import Project
from builder.recipe.load import check_recipe
from builder.recipe.model import Recipe

TEXT = "#include <tunables/global>\nprofile no-writes flags=(attach_disconnected) {\n  file,\n}\n"


def test_a_recipe_s_profile_is_a_file_that_a_step_loads_before_any_pod() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd", apparmor={"no-writes": TEXT}))
    assert file_of(spec, "etc/apparmor.d/kubeiso/no-writes") == TEXT
    steps = [entry.name for entry in spec.onboot]
    assert steps.index("state") < steps.index("apparmor") < steps.index("dhcpcd")


def test_the_parser_is_there_for_the_runtime_s_own_profile() -> None:
    spec = spec_of(Recipe(runtime="cri-containerd"))
    assert any("/apparmor:" in reference for reference in spec.init)
    assert "apparmor" not in {entry.name for entry in spec.onboot}


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ("{no-writes: 'profile no-write {}'}", "the text has no profile 'no-writes' (did you mean 'no-write'?; write `profile"),
        (
            "{no-writes: '# profile no-writes {}'}",
            "the text has no profile 'no-writes' (it has no profile; write `profile no-writes",
        ),
        ("{../x: 'profile ../x {}'}", "expected a name of letters, digits, dots, _ and dashes"),
        ("{x: 7}", "apparmor.x: expected a text, got a number"),
    ],
)
def test_what_is_no_profile_is_told(profiles: str, said: str, tmp_path: Path) -> None:
    (told,) = mistakes_of(f"apparmor: {profiles}", tmp_path)
    assert said in told


@pytest.mark.parametrize("line", ["profile x {}", '  profile "x" flags=(complain) {}', "profile x{}", "profile x /usr/bin/x {}"])
def test_ways_to_write_a_profile(line: str, tmp_path: Path) -> None:
    recipe = tmp_path / "my.yml"
    recipe.write_text(f"runtime: cri-containerd\napparmor:\n  x: |2\n    #include <tunables/global>\n    {line}\n")
    assert not check_recipe(recipe, Project.here())
