"""A machine that runs is found whatever became of the files that say so; a file that is of no use is named."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machine_fakes import write_qemu

from builder.errors import CheckError
from builder.machine.machine import STATE, Machine
from builder.machine.model import PID_FILE, Acceleration, MachineSpec


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine that runs, whose console is free."""
    write_qemu(tmp_path, "runs")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    medium = tmp_path / "node.iso"
    medium.touch()
    tcg = Acceleration(name="tcg", reason="test")
    machine = Machine.start(MachineSpec(name="one", directory=tmp_path / "m", medium=medium, acceleration=tcg))
    machine.close()
    yield machine
    machine.stop(grace=0)


def without_identity(state: Path) -> None:
    """As its starter left it that was interrupted before it could write it down."""
    state.write_text(json.dumps({**json.loads(state.read_text()), "identity": None}))


def without_identity_and_note(state: Path) -> None:
    without_identity(state)
    state.with_name(PID_FILE).write_text("")


def of_a_newer_version(state: Path) -> None:
    newer = json.loads(state.read_text())
    newer["spec"]["tpm"] = newer["spec"]["acceleration"]["nested"] = newer["shares"] = True
    state.write_text(json.dumps({**newer, "format": 2}))


def empty(state: Path) -> None:
    state.write_text("")


def cut(state: Path) -> None:
    state.write_text(state.read_text()[:100])


def of_another_meaning(state: Path) -> None:
    state.write_text('{"format": 9, "machines": []}')


FATES = [without_identity, without_identity_and_note, of_a_newer_version, empty, cut, of_another_meaning, Path.unlink]


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
def test_it_is_found_and_ended(started: Machine, fate: Callable[[Path], None]) -> None:
    directory = started.spec.directory
    fate(directory / STATE)
    found = Machine.attach(directory)
    assert found.pid == started.pid
    assert found.stop(grace=0).how == "quit"
    assert not started.alive()


def test_one_of_a_like_name_is_another(started: Machine, tmp_path: Path) -> None:
    (tmp_path / "m2").mkdir()
    assert started.alive()
    for directory in (tmp_path / "m2", tmp_path):
        with pytest.raises(CheckError, match="there is no machine in"):
            Machine.attach(directory)


@pytest.mark.parametrize(
    ("fate", "why"), [(empty, "it is empty"), (cut, "it is not JSON"), (of_another_meaning, "another version wrote it: spec")]
)
def test_a_file_of_no_use_is_named_once_the_machine_has_ended(started: Machine, fate: Callable[[Path], None], why: str) -> None:
    started.stop(grace=0)
    state = started.spec.directory / STATE
    fate(state)
    with pytest.raises(CheckError, match="can't be read") as damaged:
        Machine.attach(state.parent)
    assert str(state) in damaged.value.what and why in damaged.value.why and "kubeiso down" in damaged.value.hint
    Machine.start(started.spec).stop(grace=0)
