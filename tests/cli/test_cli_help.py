"""What the program tells of itself."""

import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer.main
from program import ROOT, Outcome, Program

from builder.cli import app as app_module
from builder.cli.app import command_line

pytest_plugins = ["cli_fixtures"]
app = command_line([])
VERBS = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)


def test_the_verbs_are_all_there() -> None:
    assert set(VERBS) >= {
        "doctor", "new", "boot", "check", "render", "build", "lock", "clean", "up", "init", "status", "shell", "logs",
        "kubeconfig", "down", "test",
    }  # fmt: skip


def test_each_verb_is_in_the_file_where_it_is_looked_for() -> None:
    assert sorted(app_module.VERBS) == VERBS
    for verb in VERBS:
        assert verb in typer.main.get_command(command_line([verb])).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [("check", "--reference"), ("--version",)])
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...]) -> None:
    """As `head` does: a shell's code for SIGPIPE, and no word."""
    read, write = os.pipe()
    os.close(read)
    argv = [sys.executable, "-m", "builder", *words]
    done = subprocess.run(argv, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_an_example_of_itself(kubeiso: Callable[..., Outcome], verb: str) -> None:
    done = kubeiso(verb, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"kubeiso {verb}" in done.out.partition("Example")[2]


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_an_example_is_an_option_of_the_verb(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    known = {word for parameter in command.params for word in parameter.opts} | {"--help"}
    example = command.epilog.replace("'", " ").partition(f"kubeiso {verb}")[2]
    assert {word for word in example.split() if word.startswith("--")} <= known


def test_h_is_help(kubeiso: Callable[..., Outcome]) -> None:
    assert kubeiso("-h") == kubeiso("--help")
    assert kubeiso("build", "-h") == kubeiso("build", "--help")


def test_the_version(program: Program) -> None:
    done = program.run("--version")
    assert (done.code, done.out) == (0, f"kubeiso {importlib.metadata.version('kubeiso')}\n")


def test_without_a_verb_it_shows_what_there_is(kubeiso: Callable[..., Outcome]) -> None:
    done = kubeiso()
    assert done.code == 2
    assert all(f"  {verb} " in done.out + done.told for verb in VERBS)


@pytest.mark.parametrize("words", [("bild",), ("build", "--runtme", "x"), ("up", "--nodes", "two"), ("up", "--nodes", "0")])
def test_a_wrong_word_on_the_command_line_is_the_user_s_mistake(kubeiso: Callable[..., Outcome], words: tuple[str, ...]) -> None:
    done = kubeiso(*words)
    assert done.code == 2
    assert words[1 if len(words) > 1 else 0] in done.told
    assert "Try 'kubeiso" in done.told
