"""Which of Kubernetes' conformance tests a run takes; a small script stands in e2e.test's place."""

from pathlib import Path

import pytest

from builder.acceptance.drawn import Choice, chosen, conformance_tests
from builder.errors import BuildError, InputError

NAMES = tuple(f"[sig-{sig}] Thing {number} should be [Conformance]" for sig in ("apps", "node") for number in range(30))


def lister(folder: Path, told: str) -> Path:
    made = folder / "e2e.test"
    (folder / "told").write_text(told)
    made.write_text(f'#!/bin/sh\n[ "$1" = --list-conformance-tests ] && cat {folder}/told\n')
    made.chmod(0o755)
    return made


def test_the_program_itself_tells_its_conformance_tests(tmp_path: Path) -> None:
    told = "- testname: One\n  codename: '[sig-a] One should\n    be [Conformance]'\n- testname: Two\n  codename: two\n"
    assert conformance_tests(lister(tmp_path, told)) == ("[sig-a] One should be [Conformance]", "two")


@pytest.mark.parametrize("told", ["", "[]", "- testname: a\n", "just words", "- [", "7"])
def test_a_program_that_tells_none_is_refused(tmp_path: Path, told: str) -> None:
    with pytest.raises(BuildError) as raised:
        conformance_tests(lister(tmp_path, told))
    assert "--list-conformance-tests" in (raised.value.hint or "")


def test_without_a_choice_all_run_in_their_order() -> None:
    assert chosen(NAMES, Choice(), {}) == NAMES


def test_a_draw_is_the_same_each_time_and_another_with_another_seed() -> None:
    seven = chosen(NAMES, Choice(draw=10, seed=7), {})
    assert seven == chosen(NAMES[::-1], Choice(draw=10, seed=7), {}) != chosen(NAMES, Choice(draw=10, seed=8), {})
    assert len(set(seven)) == 10 and set(seven) <= set(NAMES)
    assert chosen(NAMES, Choice(draw=20, seed=7), {})[:10] == seven, "a larger draw begins with the smaller one"
    assert chosen(NAMES, Choice(draw=1, seed=0), {}) != chosen(NAMES, Choice(draw=1), {}), "0 is a seed like others"


def test_a_draw_is_pinned() -> None:
    """Another kubeiso draws the same: who names a seed in a bug report means these tests."""
    assert [NAMES.index(name) for name in chosen(NAMES, Choice(draw=4, seed=7), {})] == PINNED


PINNED = [35, 54, 32, 47]


def test_names_are_found_by_an_expression_and_drawn_of() -> None:
    assert chosen(NAMES, Choice(focus=r"sig-node\] Thing 2[0-9]"), {}) == NAMES[50:]
    assert set(chosen(NAMES, Choice(draw=3, focus="sig-node"), {})) < set(NAMES[30:])


def test_what_can_not_pass_is_left_out() -> None:
    assert chosen(NAMES, Choice(), {NAMES[0]: "never"}) == NAMES[1:]
    with pytest.raises(InputError) as raised:
        chosen(NAMES, Choice(focus="apps. Thing 0 "), {NAMES[0]: "it asks a registry"})
    assert raised.value.details == (f"{NAMES[0]}: it asks a registry",)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(focus="flies"), "no conformance test matches --focus flies"),
        (Choice(focus="["), "--focus [ is no regular expression"),
        (Choice(draw=61), "61 tests can't be drawn of 60"),
        (Choice(draw=31, focus="apps"), "31 tests can't be drawn of 30"),
    ],
)
def test_what_can_not_be_chosen_is_refused(choice: Choice, said: str) -> None:
    with pytest.raises(InputError) as raised:
        chosen(NAMES, choice, {})
    assert raised.value.what == said and raised.value.hint
