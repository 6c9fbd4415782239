"""The switch as a process: found again, ended, tied to its starter, and deaf to others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from offspring import children
from switch_plugs import EVERYBODY, Bridged, address, bridged, frame

from builder.deadline import Deadline, poll
from builder.errors import BuildError, CheckError, InputError, ToolMissing
from builder.machine.model import ClusterCard
from builder.network import network as network_module
from builder.network.network import STATE, Switch, switch_command
from builder.process import Identity, identify

ONE, TWO = address(1), address(2)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a short name; what was started in it ends with the test."""
    directory = tmp_path_factory.mktemp("n")
    yield directory
    for note in directory.glob(f"*/{STATE}"):
        Switch.attach(note.parent).stop()


def ended(pid: int) -> None:
    """Waits until the process is gone."""
    poll(lambda: True if identify(pid) is None else None, Deadline.after(20), what=f"the end of process {pid}", interval=0.05)


def test_it_starts_is_found_again_and_ends(place: Path) -> None:
    started = Switch.start(place / "net")
    found = Switch.attach(place / "net")
    assert started.alive() and found.alive()
    assert (found.pid, found.card) == (started.pid, started.card) == (found.pid, ClusterCard(directory=place / "net"))
    assert (started.card.socket / "ctl").is_socket()
    assert found.stop() == "SIGTERM"
    assert not started.alive()
    assert {path.name for path in (place / "net").iterdir()} <= {STATE, "switch.log"}
    assert Switch.attach(place / "net").stop() == "ended before"


def test_a_second_start_finds_the_first(place: Path) -> None:
    assert Switch.start(place / "net").pid == Switch.start(place / "net").pid


def test_it_starts_again_where_one_was_killed(place: Path) -> None:
    first = Switch.start(place / "net")
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    ended(first.pid)
    assert not Switch.attach(place / "net").alive()
    again = Switch.start(place / "net")
    assert again.alive() and again.pid != first.pid


def test_it_is_found_and_ended_whatever_became_of_its_files(place: Path) -> None:
    for left in ("", '{"card": {"direc', '{"format": 9}', None):
        started = Switch.start(place)
        (place / "switch.pid").write_text("")
        (place / "switch.json").write_text(left) if left is not None else (place / "switch.json").unlink()
        assert Switch.start(place).pid == started.pid
        assert Switch.attach(place).stop() == "SIGTERM"
        assert not started.alive()
    (place / "switch.json").write_text("")
    with pytest.raises(CheckError, match=r"switch\.json can't be read"):
        Switch.attach(place)


def starter(directory: Path, rest: str) -> "subprocess.Popen[bytes]":
    code = (
        "import sys, time; from pathlib import Path; from builder.network.network import *\n"
        f"switch = Switch.start(Path(sys.argv[1]){rest}"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE)


def test_it_outlives_its_starter(place: Path) -> None:
    with starter(place / "net", ")") as process:
        assert process.wait(30) == 0
    switch = Switch.attach(place / "net")
    assert switch.alive()
    assert switch.pid is not None
    assert os.getsid(switch.pid) == switch.pid, "a terminal's signals do not reach it"
    assert Path(f"/proc/{switch.pid}/cwd").readlink() in (Path("/"), Path(__file__).parents[2])


def test_a_leashed_one_ends_with_its_starter(place: Path) -> None:
    with starter(place / "net", ", leashed=True); print(switch.pid, flush=True); time.sleep(60)") as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert Switch.attach(place / "net").pid == pid
        process.kill()
        ended(pid)


def test_a_leash_holds_though_its_taker_is_forgotten_and_goes_with_the_switch(place: Path) -> None:
    pid = Switch.start(place / "net", leashed=True).pid
    assert len(children()) == 1
    time.sleep(0.3)
    found = Switch.attach(place / "net")
    assert found.alive() and found.pid == pid
    found.stop()
    assert children() == set()


def test_an_interrupted_start_leaves_no_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Identity] = []

    def interrupted(card: ClusterCard) -> Identity:
        launched.append(real(card))
        raise KeyboardInterrupt

    real = network_module._launch
    monkeypatch.setattr(network_module, "_launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Switch.start(place / "net")
    ended(launched[0].pid)
    assert not Switch.attach(place / "net").alive()


def test_a_starter_that_was_killed_before_its_own_note_is_no_hindrance(place: Path) -> None:
    switch = Switch.start(place / "net")
    network_module._save(network_module.State(card=switch.card))
    found = Switch.attach(place / "net")
    assert found.pid == switch.pid
    assert found.stop() == "SIGTERM"


def test_a_process_id_that_was_used_again_is_left_alone(place: Path) -> None:
    card = ClusterCard(directory=place / "net")
    card.directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(card.directory)]) as stranger:
        identity = Identity(pid=stranger.pid, started=1, boot="an earlier one")
        network_module._save(network_module.State(card=card, identity=identity))
        assert Switch.attach(card.directory).stop() == "ended before"
        assert stranger.poll() is None
        stranger.kill()


def test_what_cannot_be_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckError, match="there is no switch in"):
        Switch.attach(place)
    with pytest.raises(InputError, match="too long a name"):
        Switch.start(place / ("x" * 100))
    broken = ["sh", "-c", "echo the cable burns >&2; exit 1"]
    monkeypatch.setattr(network_module, "switch_command", lambda _: broken)
    with pytest.raises(BuildError, match="could not be started") as failed:
        Switch.start(place / "net")
    assert failed.value.details == ("the cable burns",)


# What it needs


def fake_tools(directory: Path, monkeypatch: pytest.MonkeyPatch, plugs: str, *others: str) -> None:
    for name, text in (("qemu-system-x86_64", f"echo {plugs}"), *((other, "exit 1") for other in others)):
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    monkeypatch.setattr("builder.run.tool", lambda name: str(directory / name))
    monkeypatch.setattr(network_module, "tool", lambda name: _there(directory / name))


def _there(path: Path) -> str:
    if not path.exists():
        raise ToolMissing(f"the program {path.name} is not installed")
    return str(path)


def test_what_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(tmp_path, monkeypatch, "user stream vde")
    with pytest.raises(ToolMissing, match="vde_switch is not installed"):
        Switch.start(tmp_path / "net")
    fake_tools(tmp_path, monkeypatch, "user stream", "vde_switch")
    with pytest.raises(ToolMissing, match="can't be plugged") as missing:
        Switch.start(tmp_path / "net")
    assert "built without -netdev vde" in missing.value.why and "libvdeplug" in missing.value.hint
    assert not (tmp_path / "net").exists()


def test_the_command() -> None:
    assert switch_command(ClusterCard(directory=Path("/state/one/net"))) == [
        "vde_switch", "--sock", "/state/one/net/vde", "--mode", "0600", "--dirmode", "0700", "--numports", "128",
        "--rcfile", "/dev/null", "--pidfile", "/state/one/net/switch.pid", "--daemon",
    ]  # fmt: skip


# What passes


def test_two_switches_never_hear_one_another(place: Path) -> None:
    """Each end is QEMU's own, with the arguments that a machine gets."""
    with ExitStack() as stack:
        pairs = {
            name: [stack.enter_context(bridged(Switch.start(place / name).card, place, f"{name}{end}")) for end in "12"]
            for name in ("here", "there")
        }
        for name, (left, right) in pairs.items():
            heard(left, right, frame(EVERYBODY, ONE, f"from {name}".encode()))
            heard(right, left, frame(ONE, TWO, f"from {name}".encode()))
        for name, pair in pairs.items():
            for end in pair:
                end.receive(0.3)
                assert end.got
                assert [what for what in end.got if f"from {name}".encode() not in what] == []


def heard(sender: Bridged, listener: Bridged, what: bytes) -> None:
    """Sends until it is heard: a QEMU that only just starts hears nothing."""

    def look() -> bool | None:
        sender.send(what)
        listener.receive(0.2)
        return True if what in listener.got else None

    poll(look, Deadline.after(30), what="a frame", interval=0.1)
