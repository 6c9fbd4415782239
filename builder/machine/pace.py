"""How fast a guest is, by what it told itself: what every deadline of a node is stretched by."""

from pathlib import Path

from builder.console.model import Stage
from builder.console.speed import SLOWEST, scale_of
from builder.console.story import Story
from builder.machine.model import Acceleration

# An idle 2-core host took 5 to 8 times native time for a boot and for kubeadm (see builder/console/speed.py).
LEAST_EMULATED = 5.0

ROOM = 1.5
"""By so much more is stretched what lasts for a cluster's life, on an emulated guest: its host may get busier. Where 8 to 13
programs waited for 2 processors, what was fitted to a quieter host restarted three times in its first minutes."""


def slowness(ready: Stage, acceleration: Acceleration) -> float:
    """By how much a guest that told this stage is slower than native speed; an emulated one by the least seen at the least."""
    return max(scale_of(ready.cpu_ms or 0.0), LEAST_EMULATED if acceleration.name == "tcg" else 1.0)


def pace(log: Path, acceleration: Acceleration) -> float:
    """The slowness that a machine's console log tells of its last start; where it does not tell yet, the least there is."""
    told = [stage for stage in Story.from_log(log).stages if stage.cpu_ms]
    return slowness(told[-1] if told else Stage(stage="ready", state="ok"), acceleration)


def with_room(scale: float, acceleration: Acceleration) -> float:
    """The scale for what is fixed now and has to bear what comes later."""
    return min(SLOWEST, scale * ROOM) if acceleration.name == "tcg" else scale
