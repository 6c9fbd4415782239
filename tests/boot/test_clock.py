"""A machine whose clock says 2019 (an empty battery), and a time server on this host's loopback."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from boot_helpers import planned

from builder.cluster import lifecycle
from builder.deadline import poll
from builder.machine.cidata import make_cidata
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role

pytestmark = pytest.mark.boot

HOST = "10.0.2.2"  # what the guest calls this host (QEMU's manual, "Using the user mode network stack")
SINCE_1900 = 2_208_988_800  # seconds until 1970 (RFC 868)


@contextmanager
def time_server() -> Iterator[int]:
    """The port on which this host tells its time to who asks by NTP (RFC 5905, section 7.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.5)
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, over))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def _serve(server: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        try:
            asked, client = server.recvfrom(512)
        except TimeoutError:
            continue
        server.sendto(_answer(asked, time.time()), client)


def _answer(asked: bytes, now: float) -> bytes:
    """Version 4, mode 4 (server), stratum 2; the client's transmit time comes back as the origin's."""
    stamp = struct.pack("!II", int(now) + SINCE_1900, int(now % 1 * 2**32))
    return struct.pack("!BBBbII4s", 0x24, 2, 6, -20, 0, 64, b"\x7f\x00\x00\x01") + stamp + asked[40:48] + stamp + stamp


def test_a_clock_of_2019_is_set_before_kubernetes_and_kept(out: Path, tmp_path: Path) -> None:
    with time_server() as port:
        recipe = tmp_path / "clock.yml"
        recipe.write_text(f"runtime: cri-containerd\nroles: [master]\ntime: {{servers: ['{HOST}:{port}']}}\n")
        plan = planned(out, recipe=recipe)
        given = tmp_path / "cidata.img"
        make_cidata({"user-data": b"#cloud-config\nntp: {servers: [192.0.2.9]}\n"}, given)
        spec = MachineSpec(
            name="clock", metadata=given, directory=tmp_path / "m", medium=plan.media[Role.MASTER],
            acceleration=plan.acceleration, memory=1800, outbound=True, extra=("-rtc", "base=2019-01-01T00:00:00"),
        )  # fmt: skip
        machine = Machine.start(spec, leashed=True)
        try:
            lifecycle.booted(machine, 900)
            _is_right(machine)
        finally:
            machine.stop(grace=0)


def _is_right(machine: Machine) -> None:
    def run(command: str) -> str:
        ended = machine.shell().run(command, machine.within(30))
        return ended.output.strip() if ended.code == 0 else ""

    told = run("cat /run/log/onboot/*chrony*")
    assert "the clock said 2019-01-01" in told and "time servers set it to" in told

    before = time.time()
    assert before - 2 <= int(run("date +%s")) <= time.time() + 2

    def follows() -> str | None:
        tracking = run("ctr -n services.linuxkit tasks exec --exec-id look chrony chronyc -n tracking")
        return tracking if HOST in tracking and "Leap status     : Normal" in tracking else None

    poll(follows, machine.within(120), what="chrony to follow the server", interval=2.0)
    assert "192.0.2.9" in run("ctr -n services.linuxkit tasks exec --exec-id sources chrony chronyc -n sources")
