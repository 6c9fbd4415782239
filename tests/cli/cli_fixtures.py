"""The program as its users start it, and the toy project that it works on."""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from component_samples import Server
from program import Outcome, Program
from toy_project import Toy, make_toy

from builder import progress
from builder.cli import main
from builder.machine.machine import STATE, Machine

pytest_plugins = ["ctrl_c"]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """The toy project; tests that change a part of it or of its server take `own_toy`."""
    folder = tmp_path_factory.mktemp("toy")
    with Server({}).running() as server:
        yield make_toy(folder / "project", folder, server)


@pytest.fixture
def own_toy(tmp_path: Path) -> Iterator[Toy]:
    with Server({}).running() as server:
        yield make_toy(tmp_path / "project", tmp_path, server)


@pytest.fixture
def state() -> Iterator[Path]:
    """Where clusters lie: a short path, as sockets want it. Machines that a failed test left there are ended."""
    with tempfile.TemporaryDirectory(prefix="kubeiso-") as folder:
        yield Path(folder)
        for machine in Path(folder).rglob(STATE):
            Machine.attach(machine.parent).stop(grace=0)


@pytest.fixture
def program(toy: Toy, tmp_path: Path, state: Path) -> Program:
    return Program(toy, tmp_path / "home", state)


@pytest.fixture
def own_program(own_toy: Toy, tmp_path: Path, state: Path) -> Program:
    return Program(own_toy, tmp_path / "home", state)


@pytest.fixture(scope="session")
def built(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A build that went well, to compare with; its cache may be used, its results are left as they are."""
    home = tmp_path_factory.mktemp("built")
    whole = Program(toy, home, home / "state")
    done = whole.build()
    assert done.code == 0, done.told
    return whole


@pytest.fixture
def kubeiso(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Outcome]]:
    """The program within this process: what a user sees of it, without the time that a start takes."""
    with within_this_process(program, monkeypatch, capsys) as run:
        yield run


@pytest.fixture
def own_kubeiso(
    own_program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Outcome]]:
    """Likewise, on a toy project of the test's own."""
    with within_this_process(own_program, monkeypatch, capsys) as run:
        yield run


@contextmanager
def within_this_process(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Outcome]]:
    program.home.mkdir(exist_ok=True)
    monkeypatch.chdir(program.home)
    for name, value in program.toy.environment(program.home, program.state).items():
        monkeypatch.setenv(name, value)

    def run(*words: str | Path, **variables: str) -> Outcome:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["kubeiso", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            main()
        out, told = capsys.readouterr()
        return Outcome(int(ending.value.code or 0), out, told)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers, sink = [signal.getsignal(number) for number in numbers], progress.use(progress.Silent())
    yield run
    progress.use(sink)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
