"""Linters and the type checker, each as a test. `make setup` installs them."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from builder.run import run

ROOT = Path(__file__).parents[1]
SHELLS = (b"sh", b"bash", b"dash")


def must_pass(*argv: str | Path) -> None:
    """Runs a checker in the project's root; what it says is the failure's text."""
    done = run(argv, cwd=ROOT, check=False, timeout=600)
    if done.code != 0:
        pytest.fail(f"{done.stdout}{done.stderr}", pytrace=False)


def python_tool(name: str) -> tuple[str, ...]:
    if importlib.util.find_spec(name) is None:
        pytest.fail(f"{name} is not installed; next: make setup", pytrace=False)
    return (sys.executable, "-m", name)


def is_shell_script(path: Path) -> bool:
    """By its name, or by its first line where it has no suffix."""
    if path.suffix == ".sh":
        return True
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(100)
    return first.startswith(b"#!") and first.strip().rpartition(b"/")[2].removeprefix(b"env ") in SHELLS


def shell_scripts() -> list[Path]:
    found = [path for path in (ROOT / "pkg").rglob("*") if not path.is_symlink() and is_shell_script(path)]
    return [*sorted(found), ROOT / ".ci" / "run"]


def test_ruff_check() -> None:
    must_pass(*python_tool("ruff"), "check", "--output-format", "concise", "builder", "tests")


def test_ruff_format() -> None:
    must_pass(*python_tool("ruff"), "format", "--check", "builder", "tests")


def test_mypy() -> None:
    must_pass(*python_tool("mypy"), "--strict", "builder", "tests")


def test_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.fail("shellcheck is not installed; next: apt-get install shellcheck   (or: make setup)", pytrace=False)
    scripts = [path.relative_to(ROOT) for path in shell_scripts()]
    assert Path(".ci/run") in scripts
    must_pass("shellcheck", "--exclude", "SC1091", "--format", "gcc", *scripts)  # SC1091: reads a file that only the node has
