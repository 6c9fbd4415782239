"""What a shell offers while a command is typed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.cli.completion import typed
from builder.cluster import state


def offered(line: str, environment: dict[str, str]) -> list[str]:
    """As bash asks: the words of the line, the last of which is typed just now."""
    words = line.split(" ")
    asked = {"_KUBEISO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "builder"]
    done = subprocess.run(command, env={**os.environ, **environment, **asked}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[dict[str, str]]:
    for name in ("alpha", "alps", "beta"):
        (tmp_path / name).mkdir()
        (tmp_path / name / state.MARKER).write_text("")
        (tmp_path / name / state.FILE).write_text("{}")
    yield {"KUBEISO_STATE": str(tmp_path)}


def test_verbs(clusters: dict[str, str]) -> None:
    assert offered("kubeiso up", clusters) == ["up", "upgrade"]
    assert {"build", "boot"} <= set(offered("kubeiso b", clusters))


def test_options_and_names_that_this_machine_knows(clusters: dict[str, str]) -> None:
    assert "--name" in offered("kubeiso down --n", clusters)
    assert offered("kubeiso down --name al", clusters) == ["alpha", "alps"]
    assert "cri-containerd" in offered("kubeiso build --runtime cri", clusters)
    assert offered("kubeiso test --suite red", clusters) == ["redis"]


def test_where_no_name_can_be_had_none_is_offered(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert offered("kubeiso down --name al", {"KUBEISO_STATE": str(tmp_path / "file")}) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"COMP_WORDS": "kubeiso up", "COMP_CWORD": "1"}, []),
        ({"COMP_WORDS": "kubeiso up --na", "COMP_CWORD": "2"}, ["up", "--na"]),
        ({"COMP_WORDS": "kubeiso up ", "COMP_CWORD": "2"}, ["up"]),
        ({"_TYPER_COMPLETE_ARGS": "kubeiso build --r"}, ["build", "--r"]),
        ({}, []),
    ],
)
def test_the_words_are_the_line_s(asked: dict[str, str], words: list[str]) -> None:
    assert typed(["other"], {"_KUBEISO_COMPLETE": "complete_bash", **asked}) == words
    assert typed(["other"], asked) == ["other"]
