"""What kubeadm's time limits are stretched by: a node's speed when kubeadm is called, where it was quicker at its boot."""

from types import SimpleNamespace
from typing import Any

import pytest
from cluster_samples import a_cluster

from builder.cluster.model import Cluster
from builder.console.model import Stage
from builder.console.speed import SLOWEST
from builder.forming.form import paced
from builder.forming.onnode import LOOP_SECONDS, speed_now
from builder.machine.model import Acceleration
from builder.machine.pace import LEAST_EMULATED, ROOM, pace, slowness, with_room


class Clock:
    """A node's shell whose loop takes so long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self, command: str, _: object) -> SimpleNamespace:
        assert "/proc/uptime" in command
        return SimpleNamespace(code=0, output=f"100.00 {100 + self.seconds:.2f}\n")


def on(acceleration: str) -> Cluster:
    return a_cluster(1, 1).model_copy(update={"acceleration": Acceleration(name=acceleration, reason="test")})


def nodes(*seconds: float) -> list[Any]:
    return [SimpleNamespace(control=Clock(each), console=None) for each in seconds]


def test_a_node_tells_how_slow_it_is_now() -> None:
    assert speed_now(Clock(LOOP_SECONDS * 7), 1.0) == pytest.approx(7, abs=0.1)  # type: ignore[arg-type]
    assert speed_now(Clock(0.0), 1.0) == 1.0, "none is quicker than natively"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boot", "now", "scale"),
    [
        (6.0, (LOOP_SECONDS * 2, LOOP_SECONDS * 3), 6.0 * ROOM),
        (6.0, (LOOP_SECONDS * 2, LOOP_SECONDS * 10), 10.0 * ROOM),
        (6.0, (LOOP_SECONDS * 100, LOOP_SECONDS), SLOWEST),
    ],
)
def test_the_slowest_node_and_the_slower_moment_count(boot: float, now: tuple[float, ...], scale: float) -> None:
    assert paced(on("tcg"), nodes(*now), boot) == pytest.approx(scale, rel=0.05)


def test_a_machine_that_is_not_emulated_needs_no_room() -> None:
    assert with_room(1.0, Acceleration(name="kvm", reason="test")) == 1.0
    assert paced(on("kvm"), nodes(LOOP_SECONDS, LOOP_SECONDS), 1.0) == pytest.approx(1.0, abs=0.1)


def test_an_emulated_machine_is_never_taken_for_a_quick_one(tmp_path: Any) -> None:
    emulated, real = Acceleration(name="tcg", reason="test"), Acceleration(name="kvm", reason="test")
    ready = Stage(stage="ready", state="ok", cpu_ms=1.0)
    assert (slowness(ready, emulated), slowness(ready, real)) == (LEAST_EMULATED, 1.0)
    assert pace(tmp_path / "console.log", emulated) == LEAST_EMULATED, "nothing was told yet"
