"""A node's console in a terminal that is a pipe."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_fakes import node

from builder.cli.session import session


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe that is written to; the other one is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing


def test_what_is_piped_is_answered_and_then_it_is_over(tmp_path: Path, piped: int, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "console.sock"
    os.write(piped, b"echo $((20+3)); sleep 0.5; echo $((30+3))\n")
    os.close(piped)
    with node(path):
        session(path, tmp_path / "lock", quiet=2.0)
    told = capfd.readouterr().out
    assert "23\r\n" in told and "33\r\n" in told


def test_a_machine_that_is_watched_is_watched_to_its_end(tmp_path: Path, piped: int, capfd: pytest.CaptureFixture[str]) -> None:
    """As `kubeiso boot` without a keyboard: a silence is no end."""
    os.close(piped)
    path = tmp_path / "console.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        watching = threading.Thread(target=session, args=(path, tmp_path / "lock"))
        watching.start()
        client, _ = server.accept()
        with client:
            watching.join(1.0)
            assert watching.is_alive()
            client.sendall(b"still here\n")
        watching.join(10.0)
        assert not watching.is_alive()
    assert capfd.readouterr().out == "still here\n"
