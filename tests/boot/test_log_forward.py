"""A node that sends its logs to this host: all of them, and what came while nobody took them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from boot_helpers import planned, said

from builder.cluster import lifecycle
from builder.deadline import poll
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role

pytestmark = [pytest.mark.boot, pytest.mark.long]

HOST = "10.0.2.2"  # what the guest calls this host (QEMU's manual, "Using the user mode network stack")
Lines = list[dict[str, str]]


@contextmanager
def receiver(port: int, taken: Lines) -> Iterator[int]:
    """Takes lines at that port of this host's loopback (0: a free one) into `taken`; its end breaks every connection."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.3)
        thread = threading.Thread(target=_serve, args=(server, taken, over))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def _serve(server: socket.socket, taken: Lines, over: threading.Event) -> None:
    while not over.is_set():
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(0.3)
            _read(connection, taken, over)


def _read(connection: socket.socket, taken: Lines, over: threading.Event) -> None:
    text = b""
    while not over.is_set():
        try:
            more = connection.recv(65536)
        except TimeoutError:
            continue
        if not more:
            return
        *whole, text = (text + more).split(b"\n")
        taken += [json.loads(line) for line in whole]


@pytest.fixture(scope="module")
def place(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, int, Lines]]:
    folder = tmp_path_factory.mktemp("logs")
    taken: Lines = []
    with receiver(0, taken) as port:
        recipe = folder / "logs.yml"
        recipe.write_text(f"runtime: cri-containerd\nroles: [master]\nlogs: {{forward: 'tcp://{HOST}:{port}'}}\n")
        plan = planned(out, recipe=recipe)
        spec = MachineSpec(
            name="logs", directory=folder / "m", medium=plan.media[Role.MASTER], acceleration=plan.acceleration,
            memory=1800, outbound=True,
        )  # fmt: skip
        machine = Machine.start(spec, leashed=True)
        try:
            lifecycle.booted(machine, 900)
            poll(lambda: True if "kernel" in logs(taken) else None, machine.within(60), what="the kernel's lines")
        except BaseException:
            machine.stop(grace=0)
            raise
    try:
        yield machine, port, taken
    finally:
        machine.stop(grace=0)


def logs(taken: Lines) -> set[str]:
    return {line["log"] for line in taken}


def test_all_logs_come_with_the_nodes_name(place: tuple[Machine, int, Lines]) -> None:
    machine, _, taken = place
    name = said(machine, "hostname")
    assert {line["node"] for line in taken} == {name}
    assert {"kernel", "containerd", "kubelet"} <= logs(taken)
    assert any("Linux version" in line.get("text", "") for line in taken if line["log"] == "kernel")


def test_what_was_written_while_nobody_took_it_comes_later(place: tuple[Machine, int, Lines]) -> None:
    machine, port, _ = place
    said(machine, "for n in $(seq 500); do echo line $n >>/var/log/own.log; done")
    taken: Lines = []
    with receiver(port, taken):
        poll(
            lambda: True if any(line.get("text") == "line 500" for line in taken) else None,
            machine.within(90),
            what="the last line",
        )
    missing = {f"line {number}" for number in range(1, 501)} - {line.get("text", "") for line in taken if line["log"] == "own"}
    assert missing == set()
