"""A program is asked for its version once, and again when it is another program."""

import os
from pathlib import Path

import pytest

from builder.errors import BuildError, ToolMissing
from builder.versions import told


def write(program: Path, answer: str, code: int = 0) -> None:
    program.unlink(missing_ok=True)
    program.write_text(f"#!/bin/sh\necho asked >>{program.parent}/log\necho {answer}\nexit {code}\n")
    program.chmod(0o755)


def asked(folder: Path) -> int:
    return len((folder / "log").read_text().splitlines())


def test_it_is_asked_once(tmp_path: Path) -> None:
    write(tmp_path / "tool", "one")
    assert [told([tmp_path / "tool", "--version"]) for _ in range(3)] == ["one\n"] * 3
    assert asked(tmp_path) == 1


def test_another_program_in_its_place_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for answer in ("one", "two", "three"):
        write(tmp_path / "tool", answer)
        assert told(["tool"]) == f"{answer}\n"
    (tmp_path / "first").mkdir()
    write(tmp_path / "first" / "tool", "four")
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:{os.environ['PATH']}")
    assert told(["tool"]) == "four\n"


def test_other_words_are_another_question(tmp_path: Path) -> None:
    write(tmp_path / "tool", '"$@" $WORD')
    assert told([tmp_path / "tool", "a"]) + told([tmp_path / "tool", "b"], {"WORD": "c"}) == "a\nb c\n"


def test_a_failure_is_asked_again(tmp_path: Path) -> None:
    write(tmp_path / "tool", "one", code=3)
    for _ in range(2):
        with pytest.raises(BuildError, match="exit code 3"):
            told([tmp_path / "tool"])
    assert told([tmp_path / "tool"], check=False) == "one\n"
    assert asked(tmp_path) == 3


def test_one_that_is_not_there() -> None:
    with pytest.raises(ToolMissing, match="no-such-tool"):
        told(["no-such-tool"])
