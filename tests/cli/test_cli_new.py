"""The verb new."""

from collections.abc import Callable

import pytest
from program import Outcome, Program, files

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]


def test_a_new_recipe_has_no_mistakes(kubeiso: Run, program: Program) -> None:
    done = kubeiso("new", "lab/my.yml", "--runtime", "toy")
    assert (done.code, done.out) == (
        0, "lab/my.yml is written.  next: kubeiso check lab/my.yml; kubeiso build --recipe lab/my.yml\n",
    )  # fmt: skip
    assert kubeiso("check", "lab/my.yml").out == "lab/my.yml: no mistakes\n"
    assert files(program.home / "lab") == ["my.yml"], "nothing is left beside it"


def test_a_recipe_that_is_there_is_kept(kubeiso: Run, program: Program) -> None:
    (program.home / "my.yml").write_text("mine")
    assert kubeiso("new", "my.yml", "--runtime", "toy").failed(2, "my.yml is there already", next="another name")
    assert (program.home / "my.yml").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("new", "my"), "my is no name for a recipe"),
        (("new", "my.yml", "--runtime", "rabbit"), "no recipe for the runtime"),
    ],
)
def test_a_wrong_word(kubeiso: Run, program: Program, words: tuple[str, ...], what: str) -> None:
    if "--runtime" not in words:
        words = (*words, "--runtime", "toy")
    assert kubeiso(*words).failed(2, what)
    assert not (program.home / "my.yml").exists()


def test_a_folder_that_is_a_file(kubeiso: Run, program: Program) -> None:
    (program.home / "lab").touch()
    assert kubeiso("new", "lab/my.yml", "--runtime", "toy").failed(2, "lab", next="another name")
