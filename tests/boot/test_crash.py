"""A kernel that dies and stays dead: the hardware's watchdog resets the machine, and what it said last is on the disk."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_helpers import planned, said, shown

from builder.cluster import lifecycle
from builder.deadline import poll
from builder.machine.disk import make_state_disk
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role

pytestmark = [pytest.mark.boot, pytest.mark.long]

SERIALIZED = 64 << 10  # bytes that the platform keeps over a reset (ACPI, Error Serialization)


@pytest.fixture
def machine(out: Path, tmp_path: Path) -> Iterator[Machine]:
    """With a state disk, a watchdog, and memory of the platform's own for the kernel's last words."""
    plan = planned(out)
    disk, kept = tmp_path / "state.raw", tmp_path / "erst.raw"
    make_state_disk(disk, 1024)
    kept.write_bytes(bytes(SERIALIZED))
    extra = (
        "-device", "i6300esb", "-action", "watchdog=reset",
        "-object", f"memory-backend-file,id=erst,mem-path={kept},size={SERIALIZED},share=on", "-device", "acpi-erst,memdev=erst",
    )  # fmt: skip
    spec = MachineSpec(
        name="crash", directory=tmp_path / "m", medium=plan.media[Role.MASTER], state_disk=disk,
        acceleration=plan.acceleration, memory=1800, extra=extra,
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        lifecycle.booted(machine, 900)
        yield machine
    finally:
        machine.stop(grace=0)


def test_a_kernel_that_dies_is_reset_and_tells_of_itself(machine: Machine) -> None:
    assert '"stage":"watchdog"' in shown(machine), "the hardware's watchdog was taken"
    assert {"chrony", "dhcpcd", "getty"} <= set(said(machine, "ls /sys/fs/cgroup/systemreserved").split()), "apart from pods"
    assert "Linux version" in said(machine, "cat /var/log/kernel.log")
    before = said(machine, "cat /proc/sys/kernel/random/boot_id")
    said(machine, "echo 0 >/proc/sys/kernel/panic")
    # What a command leaves behind is ended with it, unless it has a session of its own by then.
    said(machine, "setsid sh -c 'sleep 20; echo c >/proc/sysrq-trigger' >/dev/null 2>&1 </dev/null & sleep 5")
    machine.close()
    told = poll(lambda: crash_of(machine), machine.within(300), what="the next boot tells of the crash")
    assert told["cause"] == "Kernel panic - not syncing: sysrq triggered crash"
    poll(lambda: True if shown(machine).count('"stage":"ready"') == 2 else None, machine.within(300), what="it is ready again")
    assert said(machine, "cat /proc/sys/kernel/random/boot_id") != before
    assert told["cause"] in said(machine, f"cat {told['folder']}/*")
    assert said(machine, "ls /sys/fs/pstore").strip() == "", "told once"
    assert said(machine, "grep -c '^---- boot at' /var/log/kernel.log").strip() == "2"


def crash_of(machine: Machine) -> dict[str, str] | None:
    """What the node said on its console of a kernel that died."""
    found = [line.partition("{")[2] for line in shown(machine).splitlines() if '"stage":"crash"' in line]
    return json.loads("{" + found[0]) if found else None
