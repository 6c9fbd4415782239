"""Ctrl-C while QEMU is silent: QEMU serves one client at a time, so the socket has to be free again."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

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
