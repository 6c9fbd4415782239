"""A boot that an emulator spoilt is begun anew, once; nothing else is."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from builder.cluster.lifecycle import booted
from builder.console.model import Stage
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.machine.machine import Machine

OOPS = "the console shows: [   21.850603] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI"
TORN = """the console shows: [   26.758222] Kernel panic - not syncing: Fatal exception in interrupt
[   26.757819] RIP: 0010:__alloc_pages_noprof+0xe4/0x310
[   26.757973] Code: 40 01 00 48 89 3c 24 85 c0 0f 85 04 02 00 00 89 d8 c1 e8 03 83 e0 03 89 44 24 18 0f <1f> 44 00 00 41 89 dd"""
OTHER = TORN.replace("0f <1f> 44 00 00", "48 <8b> 44 00 00")
READY = Stage(stage="ready", state="ok", cpu_ms=70.0)


@dataclass
class Guest:
    """A machine whose boots end one after the other as `boots` says: with the stage ready, or with a fault."""

    acceleration: str
    boots: list[str]
    resets: int = 0
    unwell: str = ""
    spec: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.spec = SimpleNamespace(name="one", acceleration=SimpleNamespace(name=self.acceleration))

    def console(self) -> "Guest":
        return self

    def degraded(self) -> str:
        return self.unwell

    def reset(self) -> None:
        self.resets += 1

    def wait_stage(self, stage: str, deadline: Deadline) -> Stage:
        assert (stage, deadline.seconds) == ("ready", 60.0)
        if fault := self.boots.pop(0):
            what, *shown = fault.split("\n")
            raise CheckError(what, details=tuple(shown))
        return READY


def boot(guest: Guest) -> Stage:
    return booted(cast(Machine, guest), 60.0)


@pytest.mark.parametrize("words", [OOPS, TORN])
def test_a_breakpoint_of_the_kernel_s_own_is_the_emulator_s_fault(words: str) -> None:
    guest = Guest("tcg", [words, ""])
    assert boot(guest) == READY
    assert guest.resets == 1


@pytest.mark.parametrize(
    ("acceleration", "boots", "resets"),
    [
        ("kvm", [OOPS], 0),
        ("tcg", ["the console shows: Kernel panic - not syncing"], 0),
        ("tcg", [OTHER], 0),
        ("tcg", [OOPS, OOPS], 1),
    ],
    ids=["hardware", "another fault", "another code", "twice"],
)
def test_other_faults_are_told(acceleration: str, boots: list[str], resets: int) -> None:
    guest = Guest(acceleration, boots)
    with pytest.raises(CheckError, match="the console shows"):
        boot(guest)
    assert (guest.resets, guest.boots) == (resets, [])


def test_a_node_that_is_degraded_is_told_at_once_with_its_own_reason() -> None:
    guest = Guest("tcg", [""], unwell="metadata: network-config, line 3, bonds")
    with pytest.raises(CheckError, match="one is degraded") as caught:
        boot(guest)
    assert "network-config, line 3, bonds" in caught.value.why and "reboot" in caught.value.hint
    assert guest.resets == 0
