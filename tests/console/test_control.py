"""kubeiso's own line into a node, against the node's own control.sh."""

import hashlib
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from machine_fakes import control_node

from builder.console.control import Control
from builder.console.wire import Claim
from builder.deadline import Deadline, poll
from builder.errors import CheckError, InputError


def connect(path: Path) -> Control:
    return Control(path, Claim(path.with_suffix(".lock"), "control channel"))


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def control(path: Path) -> Iterator[Control]:
    with control_node(path):
        control = connect(path)
        yield control
        control.close()


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("printf abc", "abc"),
        ("printf 'a\\n\\n\\nb\\n\\n'", "a\n\n\nb\n\n"),
        ("true", ""),
        ("printf 'a\\rb\\033[31mred\\n'", "a\rb\033[31mred\n"),
        ("echo 'größer 中'", "größer 中\n"),
        ("echo out; echo error >&2", "out\nerror\n"),
        ("""echo 'KUBEISO {"t":1,"stage":"onboot","state":"failed"}'""", 'KUBEISO {"t":1,"stage":"onboot","state":"failed"}\n'),
    ],
)
def test_output_is_exact_to_the_byte(control: Control, command: str, output: str) -> None:
    """No terminal is between: what looks like a terminal's or a node's own word is the command's."""
    assert control.run(command, soon()).output == output


def test_codes_and_long_commands(control: Control) -> None:
    assert control.run("exit 3", soon()).code == 3
    assert control.run("echo 'unterminated", soon()).code == 2
    assert control.run(f"echo {'x' * 20_000} | wc -c", soon()).output.strip() == "20001"
    with pytest.raises(InputError, match="too long for the control channel"):
        control.run("x" * 60_000, soon())


def test_files_come_and_go_whole(control: Control, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(300_000)
    (tmp_path / "big").write_bytes(data)
    assert control.read_file(str(tmp_path / "big"), soon(60)) == data
    control.write_file(str(tmp_path / "new dir" / "it's"), data[:9000], soon(60), mode=0o640)
    assert hashlib.sha256((tmp_path / "new dir" / "it's").read_bytes()).digest() == hashlib.sha256(data[:9000]).digest()


def test_megabytes_lose_nothing(control: Control) -> None:
    """A virtio console would drop what its reader has no room for at the moment."""
    assert len(control.run("head -c 6000000 /dev/zero | tr '\\0' x | fold -w 100", soon(60)).output) == 6_060_000 - 1


def processes(mark: str) -> list[int]:
    """Those that sleep so many seconds."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if words(path) == [b"sleep", mark.encode()]]


def words(cmdline: Path) -> list[bytes]:
    with suppress(OSError):  # it has ended meanwhile
        return cmdline.read_bytes().split(b"\0")[:-1]
    return []


def test_a_late_command_ends_on_the_node_too(control: Control) -> None:
    with pytest.raises(CheckError, match=r"did not end: sleep 51\.25 within 1 s"):
        control.run("sleep 51.25", soon(1))
    assert control.run("echo back", soon()).output == "back\n"
    assert processes("51.25") == []


def test_what_a_command_leaves_in_the_background_stays(control: Control) -> None:
    try:
        control.run("sleep 52.25 >/dev/null 2>&1 &", soon())
        control.run("true", soon())
        assert len(processes("52.25")) == 1
    finally:
        for process in processes("52.25"):
            os.kill(process, 9)


def test_the_command_of_a_program_that_died_gives_way(path: Path) -> None:
    with control_node(path):
        control = connect(path)
        control.login(soon())
        control._send("c2xlZXAgNTMuMjU=\n")  # sleep 53.25
        poll(lambda: True if processes("53.25") else None, soon(), what="the command", interval=0.05)
        control._token = ""  # as if the program had been killed: nobody ends the command
        control.close()
        control = connect(path)
        assert control.run("echo mine", soon()).output == "mine\n"
        assert processes("53.25") == []
        control.close()


@pytest.mark.usefixtures("control")
def test_one_program_at_a_time(path: Path) -> None:
    with pytest.raises(CheckError, match=f"the control channel of .* is in use by process {os.getpid()}"):
        connect(path)


def test_a_node_without_the_other_end_is_told(path: Path) -> None:
    """An image that an older kubeiso built, or one without the console login."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        control = connect(path)
        with pytest.raises(CheckError, match="does not answer on the control channel within 1 s") as silent:
            control.run("true", soon(1))
        assert "an older kubeiso" in silent.value.why and "kubeiso shell" in silent.value.hint
        control.close()


def test_a_node_that_listens_late_is_greeted_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.console.control._AGAIN", 0.2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        control = connect(path)
        client, _ = server.accept()
        with client:
            time.sleep(0.01)
            with pytest.raises(CheckError):
                control.login(soon(1))
            assert client.recv(4096).count(b"hello") >= 2
        control.close()
