"""QMP against a small server that speaks it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builder.deadline import Deadline
from builder.errors import CheckError
from builder.machine.qmp import Qmp

VERSION = {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}
GREETING = {"QMP": {"version": VERSION, "capabilities": []}}
NOW = {"seconds": 1, "microseconds": 0}
Answer = Callable[[str, dict[str, Any]], list[dict[str, Any]]]


def shutdown(reason: str) -> dict[str, Any]:
    return {"event": "SHUTDOWN", "data": {"guest": False, "reason": reason}, "timestamp": NOW}


def requests(client: socket.socket) -> Iterator[dict[str, Any]]:
    """The client's messages: JSON objects one after another, not always with newlines between them."""
    text = ""
    while data := client.recv(4096):
        text += data.decode()
        while text.strip():
            try:
                request, end = json.JSONDecoder().raw_decode(text.lstrip())
            except json.JSONDecodeError:
                break
            text = text.lstrip()[end:]
            yield request


@contextmanager
def server(path: Path, answer: Answer) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Answers each command with the messages that `answer` gives for it (an empty list: hangs up); yields what was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, client.makefile("w") as file:
            print(json.dumps(GREETING), file=file, flush=True)
            for request in requests(client):
                name, arguments = request["execute"], request.get("arguments", {})
                asked.append((name, arguments))
                messages = [{"return": {}}] if name == "qmp_capabilities" else answer(name, arguments)
                if not messages:
                    return
                for message in messages:
                    extra = {"id": request["id"]} if "id" in request and "event" not in message else {}
                    print(json.dumps({**message, **extra}), file=file, flush=True)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield asked
        thread.join(10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qmp.sock"


def test_commands_and_their_arguments(path: Path) -> None:
    def answer(name: str, _: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"return": {"query-status": {"status": "paused", "running": False}, "human-monitor-command": "RIP=1"}.get(name, {})}
        ]

    with server(path, answer) as asked, Qmp(path) as qmp:
        assert qmp.status() == "paused"
        assert qmp.monitor("info registers") == "RIP=1"
        qmp.set_link("virtio-net-pci.0", up=False)
        qmp.screendump(Path("/state/screen.png"))
    assert asked == [
        ("qmp_capabilities", {}),
        ("query-status", {}),
        ("human-monitor-command", {"command-line": "info registers"}),
        ("set_link", {"name": "virtio-net-pci.0", "up": False}),
        ("screendump", {"filename": "/state/screen.png", "format": "png"}),
    ]


def test_a_refusal_and_a_hang_up_are_errors(path: Path) -> None:
    def answer(name: str, _: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"error": {"class": "GenericError", "desc": "no such device"}}] if name == "eject" else []

    with server(path, answer), Qmp(path) as qmp:
        with pytest.raises(CheckError, match="QEMU refused eject") as refused:
            qmp.execute("eject")
        assert "no such device" in refused.value.why
        with pytest.raises(CheckError, match="did not answer query-status"):
            qmp.status()


def test_events_are_kept_until_asked_for(path: Path) -> None:
    def answer(name: str, _: dict[str, Any]) -> list[dict[str, Any]]:
        reset = {"event": "RESET", "data": {"guest": True, "reason": "guest-reset"}, "timestamp": NOW}
        return [{"return": {}}, reset, shutdown("guest-shutdown")] if name == "system_powerdown" else [{"return": {}}]

    with server(path, answer), Qmp(path) as qmp:
        qmp.execute("system_powerdown")
        event = qmp.fate(Deadline.after(5), "SHUTDOWN")
        assert event is not None
        assert event["data"]["reason"] == "guest-shutdown"
        assert qmp.fate(Deadline.after(0.1)) is None


def test_a_server_that_serves_somebody_else_is_told_apart(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        began = time.monotonic()
        with pytest.raises(CheckError, match="control socket is taken") as taken:
            Qmp(path, timeout=0.3)
        assert time.monotonic() - began < 5
        assert "another program is connected" in taken.value.why


def test_no_server_is_told(path: Path) -> None:
    with pytest.raises(CheckError, match="does not answer"):
        Qmp(path)
