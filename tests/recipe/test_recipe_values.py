"""Jinja2 values in recipes."""

from pathlib import Path

import pytest
from recipe_samples import check, make_project, said

from builder.project import Project
from builder.recipe.load import load_recipe

START = "runtime: cri-containerd\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def contents(project: Path, text: str, **values: str) -> str | None:
    file = project / "recipes" / "x.yml"
    file.write_text(START + f"files:\n  - path: /a\n    contents: {text}\n")
    return load_recipe(file, Project(project), values).files[0].contents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'{{ values.a }}-{{ recipe.name }}'", "one-x"),
        ("'{{ env.SAMPLE }}'", "two"),
        ("'{{ values.no | default(\"else\") }}'", "else"),
        ("'{{ values.a | upper if values.no is not defined }}'", "ONE"),
        ("'{{ values.items }}'", "three"),
        ("'{{ \"{{\" }} {% raw %}{{ .Go }}{% endraw %}'", "{{ {{ .Go }}"),
        ("'${#name} {# no comment #}'", "${#name} {# no comment #}"),
        ("|\n      a\n      {{ values.a }}\n", "a\none\n"),
        ("plain $VALUE {values.a}", "plain $VALUE {values.a}"),
    ],
)
def test_values_are_filled_in(project: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.setenv("SAMPLE", "two")
    assert contents(project, text, a="one", items="three") == expected


def test_a_value_is_checked_like_any_other(project: Path) -> None:
    assert said(project, "runtime: '{{ values.r }}'", r="cri-containerd") == []
    assert said(project, "runtime: '{{ values.r }}'", r="docker")[0].startswith("1:10: runtime: unknown runtime 'docker'")
    text = START + "network:\n  pod_subnet: '{{ values.net }}'\n"
    assert said(project, text, net="10.1.0.0/16") == []
    assert said(project, text, net="10.1.0.0")[0].startswith("3:15: network.pod_subnet: expected an IPv4 subnet")


def test_a_value_can_not_change_the_structure(project: Path) -> None:
    assert contents(project, "'{{ values.a }}'", a="x\n  - path: /b") == "x\n  - path: /b"
    keys = said(project, START + "'{{ values.key }}': x", key="kernel")
    assert [mistake.startswith("2:1: {{ values.key }}: unknown key") for mistake in keys] == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'{{ values.regstry }}'", "values.regstry is not defined (did you mean 'registry'?)"),
        ("'{{ values.zzz }}'", "values.zzz is not defined (give it with --set zzz=...)"),
        ("'{{ env.ZQXJ_NO_SUCH }}'", "env.ZQXJ_NO_SUCH is not defined (set the variable ZQXJ_NO_SUCH)"),
        ("'{{ recipe.nme }}'", "recipe.nme is not defined (did you mean 'name'?)"),
        ("'{{ value.registry }}'", "'value' is not defined (did you mean 'values'?)"),
        ("'{{ values }}'", "values is a group of values (name one of them: values.NAME)"),
        ("'{{ values. }}'", "Jinja2 can't read this: "),
        ("'{{ values.registry'", "Jinja2 can't read this: "),
        ("'{% for a in env %}{% endfor %}'", "{% for %} is not possible here (there are {{ env.NAME }}, {{ values.NAME }}"),
        ("'{{ values.registry.upper() }}'", "a call is not possible here"),
        ("'{{ values.registry.__class__ }}'", "Jinja2 can't work this out"),
        ("'{{ 9 ** 9 ** 9 ** 9 }}'", "a pow is not possible here"),
        ("'{{ values.a-b }}'", "a sub is not possible here (a name with a dash is written as {{ env['NAME'] }})"),
        ("'{{ \"x\" | center(99) }}'", "the filter 'center' is not possible here"),
        ("'{{ 5 is divisibleby 0 }}'", "Jinja2 can't work this out: "),
    ],
)
def test_mistakes_in_expressions(project: Path, text: str, expected: str) -> None:
    mistakes = said(project, START + f"files:\n  - path: /a\n    contents: {text}\n", registry="r")
    assert [mistake.startswith("4:15: files[0].contents: " + expected) for mistake in mistakes] == [True], mistakes


def test_every_expression_of_a_block_is_told_with_its_line(project: Path) -> None:
    block = "      one\n      {{ values.a }}\n\n      {{ nme }} {{ recipe.name }} {{ env.KUBEISO_NO }}\n"
    text = START + "files:\n  - path: /a\n    contents: |\n" + block
    assert [(mistake.line, mistake.message) for mistake in check(project, text)] == [
        (6, "values.a is not defined"), (8, "'nme' is not defined"), (8, "env.KUBEISO_NO is not defined"),
    ]  # fmt: skip


def test_braces_without_quotes(project: Path) -> None:
    assert said(project, "runtime: {{ values.r }}") == [
        "1:10: runtime: braces without quotes make a group of keys (put them in quotes: '{{ values.NAME }}')"
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'a' | replace('a', 'aaaaaaaaaa') | replace('a', 'aaaaaaaaaa')", "the filter 'replace' is not possible here"),
        ("['a', 'b'] | join('aaaaaaaaaa')", "the filter 'join' is not possible here"),
        ("values.big ~ values.big", "a concat is not possible here"),
        ("(" * 5000 + "1" + ")" * 5000, "Jinja2 can't read this: parentheses within parentheses"),
        ("not " * 5000 + "1", "Jinja2 can't "),
    ],
    ids=["replace", "join", "concat", "parentheses", "not"],
)
def test_no_expression_makes_much_of_little(project: Path, expression: str, expected: str) -> None:
    text = START + 'files:\n  - path: /a\n    contents: "{{ ' + expression + ' }}"\n'
    (mistake,) = said(project, text, big="x" * 1000)
    assert expected in mistake


def test_a_text_ends_where_a_file_would(project: Path) -> None:
    text = START + "files:\n  - path: /a\n    contents: '" + "{{ values.big }}" * 20 + "'\n"
    (mistake,) = said(project, text, big="x" * 100_000)
    assert mistake == "4:15: files[0].contents: the text is longer than 1048576 characters when it is filled in"


def test_a_node_that_takes_no_disk_is_not_told_which(project: Path) -> None:
    (told,) = said(project, START + "state: {need: none, format: blank}\n")
    assert told.startswith("2:21: state.format: has no effect: with need: none the node takes no disk")
