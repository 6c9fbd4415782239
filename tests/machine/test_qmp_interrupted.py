"""Ctrl-C while QEMU is silent: QEMU serves one client at a time, so the socket has to be free again."""

import asyncio
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from builder.machine import qmp
from builder.machine.qmp import Qmp

pytest_plugins = ["ctrl_c"]


def test_ctrl_c_before_the_greeting_frees_the_socket(tmp_path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "qmp"))
    server.listen(1)
    server.settimeout(10)
    ended = threading.Event()

    def silent() -> None:
        client, _ = server.accept()
        os.kill(os.getpid(), signal.SIGINT)
        client.settimeout(10)
        if client.recv(1) == b"":
            ended.set()
        client.close()

    thread = threading.Thread(target=silent)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Qmp(tmp_path / "qmp")
    assert ended.wait(5)
    thread.join()
    server.close()


async def deaf() -> None:
    """Work whose cancellation is lost."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@pytest.fixture
def connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Qmp:
    """To nobody: what is awaited here needs no QEMU."""
    monkeypatch.setattr(qmp, "GRACE", 0.2)
    monkeypatch.setattr(Qmp, "_connect", lambda *_: None)
    return Qmp(tmp_path / "qmp")


def test_ctrl_c_in_work_that_does_not_hear_of_it_ends_the_wait(connected: Qmp) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        connected._await(deaf(), 60)
    connected._end()


def test_ctrl_c_just_before_the_loop_falls_asleep_is_heard(connected: Qmp) -> None:
    """Seen as the signal of another thread, which does not wake this one either."""
    threading.Timer(0.3, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        connected._await(asyncio.sleep(60), 60)
    assert time.monotonic() - began < 50, "not when the wait was over"
    connected._end()


def test_a_limit_of_time_holds_for_work_that_does_not_hear_of_it(connected: Qmp) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        connected._await(deaf(), 0.2)
    assert time.monotonic() - began < 50, "not its own minute"
    connected._end()
