"""The verb test with the suite conformance: what is refused before anything is built, and what --resume takes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from program import Outcome, Program, files
from toy_project import Toy

from builder.acceptance.ledger import FILE, Ledger, Result
from builder.checks import Outcome as Of
from builder.cli import acceptance

pytest_plugins = ["cli_fixtures"]
Run = Callable[..., Outcome]
NAMES = ("[sig-a] One should be [Conformance]", "[sig-b] Two should be [Conformance]")
WORDS = ("test", "--runtime", "toy", "--suite", "conformance", "--nodes", "2", "--masters", "2")
RESULTS = Path("out/test-toy-conformance-bios-cdrom")


@pytest.fixture(autouse=True)
def e2e(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that only tells the names of its tests."""
    made = tmp_path / "e2e.test"
    made.write_text("#!/bin/sh\ncat <<END\n" + "".join(f'- codename: "{name}"\n' for name in NAMES) + "END\n")
    made.chmod(0o755)
    monkeypatch.setattr(acceptance, "e2e_test", lambda *_: made)
    return made


@pytest.mark.parametrize(
    ("words", "what", "next"),
    [
        (("--focus", "sig-z"), "no conformance test matches --focus sig-z", "a regular expression"),
        (("--focus", "("), "--focus ( is no regular expression", "in quotes"),
        (("--draw", "3"), "3 tests can't be drawn of 2", "--draw 2 or less"),
        (("--resume",), "there is no run to resume", "leave --resume out"),
    ],
)
def test_what_can_not_be_chosen(kubeiso: Run, program: Program, words: tuple[str, ...], what: str, next: str) -> None:
    assert kubeiso(*WORDS, *words).failed(2, what, next=next)
    assert [path for path in files(program.home) if path.endswith(".iso")] == []


def test_a_kubernetes_whose_tests_have_no_images(kubeiso: Run, toy: Toy) -> None:
    asked = toy.root / "pkg/kubernetes/1.36/minor.yml"
    asked.parent.mkdir(parents=True)
    asked.write_text('{etcd: "3.6.8", coredns: "1.14.2", pause: "3.10.2", conformance: false}\n')
    try:
        assert kubeiso(*WORDS).failed(2, "the suite conformance can't be run with Kubernetes 1.36", next="another version")
    finally:
        asked.unlink()


@pytest.mark.parametrize("words", [("--draw", "0"), ("--draw", "-3"), ("--draw", "many"), ("--draw", "3", "--seed", "x")])
def test_numbers_that_are_none(kubeiso: Run, words: tuple[str, ...]) -> None:
    assert kubeiso(*WORDS, *words).code == 2


def kept(program: Program, *done: str) -> Ledger:
    folder = program.home / RESULTS
    folder.mkdir(parents=True)
    ledger = Ledger.new(folder / FILE, {"runtime": "toy"}, NAMES)
    for name in done:
        ledger.add(Result(name=name, outcome=Of.PASSED, message="passed", began=1.0, seconds=1.0))
    return ledger


def test_a_run_that_is_over_is_not_resumed(kubeiso: Run, program: Program) -> None:
    kept(program, *NAMES)
    assert kubeiso(*WORDS, "--resume").failed(2, "there is nothing left to resume", next="")


def test_a_torn_beginning_is_told(kubeiso: Run, program: Program) -> None:
    ledger = kept(program)
    ledger.path.write_bytes(ledger.path.read_bytes()[:20])
    assert kubeiso(*WORDS, "--resume").failed(2, "the run can't be resumed", why="cut or damaged", next="leave --resume out")
