"""What goes wrong is told in its parts, to people and to machines, and never by a traceback."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Outcome
from rich.console import Console

from builder.cli import terminal
from builder.cli.terminal import Terminal
from builder.progress import Step

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]


def events(done: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.told.splitlines()]


def test_an_error_for_machines(kubeiso: Run) -> None:
    done = kubeiso("build", "--json", "--runtime", "toi")
    (error,) = events(done)
    assert (done.code, done.out) == (2, "")
    assert (error["event"], error["code"], error["what"]) == ("error", 2, "there is no recipe for the runtime toi")
    assert "toy" in str(error["next"])


def test_mistakes_are_told_to_machines_once(kubeiso: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yml").write_text("runtime: toy\nnetwork: {cni: cable}\nrolls: [master]\n")
    done = kubeiso("check", "--json", tmp_path / "recipe.yml")
    assert (done.code, done.told) == (2, "")
    assert len(json.loads(done.out)["mistakes"]) == 1


@pytest.mark.parametrize("variable", ["KUBEISO_CACHE", "KUBEISO_STATE"])
def test_a_folder_below_a_file(kubeiso: Run, tmp_path: Path, variable: str) -> None:
    (tmp_path / "file").touch()
    verb = ["clean"] if variable == "KUBEISO_CACHE" else ["down", "--name", "try"]
    done = kubeiso(*verb, **{variable: str(tmp_path / "file" / "below")})
    assert done.code in (2, 4)
    assert str(tmp_path / "file") in done.told and done.error["next"].strip()


def test_an_answer_of_the_system_that_nobody_thought_of(kubeiso: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/gone")

    monkeypatch.setattr("builder.cli.build.open_store", odd)
    done = kubeiso("clean")
    assert done.failed(4, "answered as it should not", why="FileNotFoundError: [Errno 2] No such file or directory: '/gone'")
    with pytest.raises(FileNotFoundError):
        kubeiso("clean", KUBEISO_TRACEBACK="1")


def test_a_home_is_no_cache(kubeiso: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    (home / "results").mkdir()
    (home / "tmp" / "thesis.odt").touch()
    (home / "results" / "2025.csv").touch()
    done = kubeiso("clean", "--all", KUBEISO_CACHE=str(home))
    assert done.failed(2, f"{home} is not kubeiso's", why="it holds results, tmp", next="KUBEISO_CACHE")
    assert sorted(path.name for path in home.rglob("*.*")) == ["2025.csv", "thesis.odt"]


@pytest.mark.parametrize("title", ["exit [/var/log] is there", "[red]", "[/]", "[bold"])
def test_a_title_is_no_markup(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    sink = Terminal()
    for failed in (False, True):
        step = Step(title, total=2, unit="B", detail=title)
        sink.began(step)
        step.done = 1
        sink.moved(step)
        sink.ended(step, failed)
    sink.note("warning", title)
    for mark in "✓✗":
        assert re.search(rf"{mark} {re.escape(title)} \d+\.\d s", out.getvalue())
