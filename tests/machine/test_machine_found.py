"""A machine whose starter was interrupted between QEMU's start and its own notes."""

import json
import os
from pathlib import Path

import pytest
from machine_fakes import write_qemu

from builder.machine.machine import STATE, Machine
from builder.machine.model import Acceleration, MachineSpec


def test_it_is_found_by_qemu_s_own_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_qemu(tmp_path, "runs")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    medium = tmp_path / "node.iso"
    medium.touch()
    tcg = Acceleration(name="tcg", reason="test")
    started = Machine.start(MachineSpec(name="one", directory=tmp_path / "m", medium=medium, acceleration=tcg))
    try:
        started.close()
        notes = tmp_path / "m" / STATE
        notes.write_text(json.dumps({**json.loads(notes.read_text()), "identity": None}))
        found = Machine.attach(tmp_path / "m")
        assert found.pid == started.pid
        assert found.stop(grace=0).how == "quit"
        assert not started.alive()
        assert not Machine.attach(tmp_path / "m").alive()
    finally:
        started.stop(grace=0)
