"""The console against a real shell behind a real terminal."""

import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machine_fakes import node

from builder.console import shell
from builder.console.console import Console
from builder.console.model import Stage
from builder.console.wire import Claim
from builder.deadline import Deadline, poll
from builder.errors import CheckError, InputError

SOON = 20.0
STAGE = b'KUBEISO {"t":9.5,"stage":"service","name":"kubelet","state":"restart"}\r\n'


def connect(path: Path, **options: object) -> Console:
    return Console(path, Claim(path.with_suffix(".lock")), **options)  # type: ignore[arg-type]


def soon(seconds: float = SOON) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.sock"


@pytest.fixture
def console(path: Path) -> Iterator[Console]:
    with node(path):
        console = connect(path)
        yield console
        console.close()


def test_a_command_gives_its_code_and_its_output(console: Console) -> None:
    console.login(soon())
    assert (console.run("echo one; echo two >&2; exit 3", soon()).code) == 3
    assert console.run("echo one; echo two >&2", soon()).output == "one\ntwo\n"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("printf abc", "abc"),
        ("printf 'abc\\n'", "abc\n"),
        ("printf 'a\\n\\n\\nb\\n\\n'", "a\n\n\nb\n\n"),
        ("true", ""),
        ("echo", "\n"),
        ("printf '%s\\n' 'a  \"b\" $c `d` \\e'", 'a  "b" $c `d` \\e\n'),
        ("printf '\\033[31mred\\033[0m\\n'", "red\n"),
        ("echo 'größer 中'", "größer 中\n"),
        ("printf 'one\ntwo\n'\n", "one\ntwo\n"),
    ],
)
def test_output_is_exact(console: Console, command: str, output: str) -> None:
    assert console.run(command, soon()).output == output


def test_output_is_told_as_it_comes(console: Console) -> None:
    console.login(soon())
    seen: list[tuple[str, float]] = []
    began = time.monotonic()
    console.run("echo first; sleep 1; echo; echo second", soon(), lambda line: seen.append((line, time.monotonic() - began)))
    assert [line for line, _ in seen] == ["first", "", "second"]
    assert seen[0][1] < 0.9 < seen[2][1]


def test_an_echo_is_never_taken_for_an_answer(console: Console) -> None:
    console.login(soon())
    result = console.run("stty echo </dev/tty; echo done", soon())
    assert result.output == "done\n"
    assert console.run("echo again; exit 4", soon()).code == 4


def test_a_long_command_passes_a_terminals_line(console: Console) -> None:
    text = "x" * 20_000
    assert console.run(f"echo {text} | wc -c", soon()).output.strip() == "20001"
    with pytest.raises(InputError, match="too long"):
        console.run("x" * 60_000, soon())


def test_a_late_command_is_interrupted_and_the_shell_lives_on(console: Console) -> None:
    console.login(soon())
    with pytest.raises(CheckError, match="did not end: sleep 50 within 1 s"):
        console.run("sleep 50", soon(1))
    assert console.run("echo back", soon()).output == "back\n"


def test_a_terminal_that_stands_still_in_a_command_goes_on(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "SILENCE", 0.5)
    console.login(soon())
    stop = threading.Timer(0.3, lambda: console._wire.send("\x13"))
    stop.start()
    assert console.run("sleep 1; echo more", soon()).output == "more\n"
    stop.join()
    assert console.run("echo on", soon()).output == "on\n", "nothing that was sent is in the next command"


def test_a_mistake_in_a_command_is_its_own(console: Console) -> None:
    assert console.run("echo 'unterminated", soon()).code == 2
    assert console.run("echo fine", soon()).output == "fine\n"


def test_files_come_and_go_whole(console: Console, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(300_000)
    (tmp_path / "big").write_bytes(data)
    assert console.read_file(str(tmp_path / "big"), soon(60)) == data
    target = tmp_path / "new dir" / "it's"
    console.write_file(str(target), data[:9000], soon(60), mode=0o640)
    assert target.read_bytes() == data[:9000]
    assert target.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in target.parent.iterdir()] == ["it's"]
    (tmp_path / "empty").touch()
    assert console.read_file(str(tmp_path / "empty"), soon()) == b""
    with pytest.raises(CheckError, match="exit code 1"):
        console.read_file(str(tmp_path / "none"), soon())


def interrupting(rate: float) -> Callable[[bytes], bytes]:
    """Puts stage lines of the node's init at random places."""
    chance = random.Random(7)

    def noise(data: bytes) -> bytes:
        if chance.random() > rate:
            return data
        at = chance.randrange(len(data))
        return data[:at] + STAGE + data[at:]

    return noise


def test_stage_lines_in_the_middle_do_no_harm(path: Path, tmp_path: Path) -> None:
    data = random.Random(2).randbytes(20_000)
    (tmp_path / "file").write_bytes(data)
    with node(path, interrupting(0.5)):
        console = connect(path)
        for _ in range(5):
            assert console.read_file(str(tmp_path / "file"), soon(60)) == data
        console.write_file(str(tmp_path / "copy"), data[:5000], soon(60))
        assert hashlib.sha256((tmp_path / "copy").read_bytes()).digest() == hashlib.sha256(data[:5000]).digest()
        assert "kubelet" in {stage.name for stage in console.stages}
        console.close()


def test_the_shell_is_left_as_it_was_found(path: Path) -> None:
    with node(path):
        for _ in range(2):
            console = connect(path)
            assert console.run("echo here", soon()).output == "here\n"
            console.close()


def test_a_loop_that_a_killed_program_left_is_taken_over(path: Path) -> None:
    with node(path):
        console = connect(path)
        console.login(soon())
        console._token = ""  # as if the program had been killed: nobody ends the loop
        console.close()
        console = connect(path)
        assert console.run("echo mine", soon()).output == "mine\n"
        console.close()


def test_one_program_at_a_time(path: Path) -> None:
    with node(path):
        console = connect(path)
        with pytest.raises(CheckError, match=f"in use by process {os.getpid()}"):
            connect(path)
        console.close()
        connect(path).close()


@pytest.fixture
def speaker(path: Path) -> Iterator[tuple[Console, socket.socket]]:
    """A console whose other side the test plays itself."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        console = connect(path, watch=lambda: None)
        client, _ = server.accept()
        with client:
            yield console, client
            console.close()


def test_a_stage_is_waited_for_and_remembered(speaker: tuple[Console, socket.socket]) -> None:
    console, node = speaker
    node.sendall(
        b'[    0.1] noise\r\nKUBEISO {"t":1,"stage":"service","name":"kubelet","state":"start"}\r\nKUBEISO {"t":3,"stage":'
    )
    with pytest.raises(CheckError, match=r"stage service kubelet as ok within 0 s") as late:
        console.wait_stage("service", soon(0.2), name="kubelet")
    assert "last told: service kubelet start" in late.value.why
    node.sendall(b'"service","name":"kubelet","state":"ok"}\r\n')
    assert console.wait_stage("service", soon(), name="kubelet").t == 3
    assert console.wait_stage("service", soon(0)).name == "kubelet"
    assert [stage.state for stage in console.stages] == ["start", "ok"]
    console.forget()
    assert console.stages == ()


def test_a_panic_ends_every_wait_at_once(speaker: tuple[Console, socket.socket]) -> None:
    console, node = speaker
    node.sendall(b"[    1.0] last line before\r\n[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n")
    began = time.monotonic()
    with pytest.raises(CheckError, match="Unable to mount root fs") as panic:
        console.wait_stage("ready", soon())
    assert any("last line before" in line for line in panic.value.details)
    with pytest.raises(CheckError, match="Unable to mount root fs"):
        console.run("true", soon())
    assert time.monotonic() - began < 3


def test_a_failed_stage_ends_the_wait_with_its_error(speaker: tuple[Console, socket.socket]) -> None:
    console, node = speaker
    node.sendall(b'KUBEISO {"t":4,"stage":"onboot","name":"dhcpcd","state":"failed","error":"exit code 1"}\r\n')
    with pytest.raises(CheckError, match="stage onboot dhcpcd: exit code 1"):
        console.wait_stage("ready", soon())


def test_the_end_of_the_console_ends_the_wait(path: Path) -> None:
    reasons: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        console = connect(path, watch=lambda: reasons[0] if reasons else None)
        client, _ = server.accept()
        client.close()
        reasons.append("QEMU has ended: out of memory")
        with pytest.raises(CheckError, match="out of memory"):
            console.wait_stage("ready", soon())
        with pytest.raises(CheckError, match="out of memory"):
            console.login(soon())
        console.close()


def test_a_password_prompt_is_told(speaker: tuple[Console, socket.socket]) -> None:
    console, node = speaker
    node.sendall(b"\r\nPassword: ")
    node.settimeout(5)

    def ask() -> None:
        node.recv(100)
        node.sendall(b"\r\nPassword: ")

    answers = threading.Thread(target=ask)
    answers.start()
    with pytest.raises(CheckError, match="asks for a password"):
        console.login(soon())
    answers.join()


def test_what_was_told_before_is_known(path: Path, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text('KUBEISO {"t":1,"stage":"ready","state":"ok"}\r\n')
    with node(path):
        console = connect(path, log=log)
        assert console.wait_stage("ready", soon(0)).t == 1
        console.close()


def test_an_output_that_looks_like_a_failed_stage_poisons_nothing(console: Console) -> None:
    """A log that a command prints has the lines of an earlier boot."""
    lines = [
        'KUBEISO {"t":4,"stage":"onboot","name":"x","state":"failed","error":"e"}',
        'KUBEISO {"t":9,"stage":"ready","state":"ok"}',
    ]
    console.run(f"printf '%s\\n' '{lines[0]}' '{lines[1]}'", soon())
    assert console.run("echo fine", soon()).output == "fine\n"
    assert console.fault() == ""
    assert console.stages == ()


def test_who_hears_of_stages_may_fail_and_the_next_are_read(path: Path) -> None:
    heard: list[str] = []

    def hear(stage: Stage) -> None:
        heard.append(stage.stage)
        if stage.stage == "init":
            raise ValueError("no such room")

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        console = connect(path, on_stage=hear)
        client, _ = server.accept()
        with client:
            client.sendall(b'KUBEISO {"t":1,"stage":"init","state":"ok"}\r\nKUBEISO {"t":2,"stage":"ready","state":"ok"}\r\n')
            with pytest.raises(CheckError, match="a line of the console could not be taken") as failed:
                console.wait_stage("never", soon())
            assert failed.value.why == "ValueError: no such room"
            assert console.wait_stage("ready", soon()).t == 2
        console.close()
    assert heard == ["init", "ready"]


def test_a_fault_after_a_stage_is_shown(speaker: tuple[Console, socket.socket]) -> None:
    """The stage was told; whoever asks for the console's state hears of what came after it."""
    console, node = speaker
    node.sendall(READY + b"[    9.0] Kernel panic - not syncing: later\r\n")
    assert console.wait_stage("ready", soon()).t == 1
    poll(lambda: console.fault() or None, soon(), what="the panic", interval=0.05)
    assert "Kernel panic - not syncing: later" in console.fault()
    console.forget()
    assert console.fault() == ""


READY = b'KUBEISO {"t":1,"stage":"ready","state":"ok"}\r\n'


@pytest.mark.parametrize(
    "left",
    [b"\x13", b"echo 'unfinished\r", b"sleep 100\r", b"cat\r", b"less /etc/passwd\r", b"cat <<END\rtext\r", b"half typed > "],
    ids=["Ctrl-S", "a quote", "a command", "stdin", "a pager", "a document", "half a line"],
)  # fmt: skip
def test_what_a_person_left_does_not_keep_us_out(path: Path, left: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.console.console._ONE_TRY", 0.5)
    with node(path):
        with socket.socket(socket.AF_UNIX) as person:
            person.connect(str(path))
            person.sendall(b"\r" + left)
            time.sleep(0.5)
        console = connect(path)
        assert console.run("echo here", soon()).output == "here\n"
        console.close()


def test_half_a_line_is_thrown_away_and_never_run(path: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with node(path):
        with socket.socket(socket.AF_UNIX) as person:
            person.connect(str(path))
            person.sendall(b"rm precious")
            time.sleep(0.3)
        console = connect(path)
        console.login(soon())
        assert (tmp_path / "precious").exists()
        console.close()
