"""Machines with the real QEMU, from media that hold nothing."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.deadline import Deadline
from builder.errors import CheckError
from builder.machine.machine import Machine
from builder.machine.model import Acceleration, Attachment, Firmware, MachineSpec

pytestmark = pytest.mark.boot
Start = Callable[..., Machine]
TCG = Acceleration(name="tcg", reason="works everywhere")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a machine from a medium with nothing but zeros."""
    medium = tmp_path / "zeros.iso"
    medium.write_bytes(b"\0" * (1 << 20))
    started: list[Machine] = []

    def begin(**changes: object) -> Machine:
        fields = {"name": "boot", "directory": tmp_path / "m", "medium": medium, "acceleration": TCG, "memory": 512, **changes}
        started.append(Machine.start(MachineSpec.model_validate(fields), leashed=True))
        return started[-1]

    yield begin
    for machine in started:
        machine.stop(grace=0)


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("attachment", [Attachment.CDROM, Attachment.USB, Attachment.DISK])
def test_a_medium_that_is_no_iso_is_told_as_such(start: Start, firmware: Firmware, attachment: Attachment) -> None:
    machine = start(firmware=firmware, attachment=attachment)
    with pytest.raises(CheckError, match="the firmware found nothing to boot from"):
        machine.console().wait_stage("medium", Deadline.after(180))
    screen = machine.diagnose()["screen.png"]
    assert bytes(screen).startswith(b"\x89PNG")  # type: ignore[arg-type]


def test_qemu_being_killed_ends_the_wait(start: Start) -> None:
    machine = start(firmware=Firmware.UEFI)
    assert machine.pid
    os.kill(machine.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(CheckError, match="QEMU of boot has ended"):
        machine.console().wait_stage("medium", Deadline.after(180))
    assert time.monotonic() - began < 10
    assert machine.stop().how == "ended before"


def test_a_paused_machine_ends_without_a_wait_for_its_guest(start: Start) -> None:
    machine = start()
    with machine.qmp() as qmp:
        qmp.execute("stop")
        assert qmp.status() == "paused"
    began = time.monotonic()
    assert machine.stop(grace=60).reason == "host-qmp-quit"
    assert time.monotonic() - began < 10
