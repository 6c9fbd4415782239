"""The switches as processes: found again, ended, tied to their starter, and deaf to one another."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from offspring import children
from switch_plugs import EVERYBODY, Bridged, Direct, address, bridged, frame

from builder.architecture import AMD64
from builder.deadline import Deadline, poll
from builder.errors import BuildError, CheckError, InputError, ToolMissing
from builder.machine.model import ClusterCard, SwitchKind
from builder.network import network as network_module
from builder.network import switch as switch_module
from builder.network.network import STATE, Switch, choose, switch_command
from builder.process import Identity, identify
from builder.run import run

ONE, TWO = address(1), address(2)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a short name; what was started in it ends with the test."""
    directory = tmp_path_factory.mktemp("n")
    yield directory
    for note in directory.glob(f"*/{STATE}"):
        Switch.attach(note.parent).stop()


@pytest.fixture(params=list(SwitchKind))
def kind(request: pytest.FixtureRequest) -> SwitchKind:
    return SwitchKind(request.param)


def ended(pid: int) -> None:
    """Waits until the process is gone."""
    poll(lambda: True if identify(pid) is None else None, Deadline.after(20), what=f"the end of process {pid}", interval=0.05)


def test_it_starts_is_found_again_and_ends(place: Path, kind: SwitchKind) -> None:
    started = Switch.start(place / "net", kind=kind)
    found = Switch.attach(place / "net")
    assert started.alive() and found.alive()
    assert (found.pid, found.card) == (started.pid, started.card) == (found.pid, ClusterCard(directory=place / "net", kind=kind))
    assert (started.card.socket / "ctl" if kind is SwitchKind.VDE else started.card.socket).is_socket()
    assert found.stop() == "SIGTERM"
    assert not started.alive()
    assert {path.name for path in (place / "net").iterdir()} <= {STATE, "switch.log"}
    assert Switch.attach(place / "net").stop() == "ended before"


def test_a_second_start_finds_the_first(place: Path, kind: SwitchKind) -> None:
    assert Switch.start(place / "net", kind=kind).pid == Switch.start(place / "net").pid


def test_it_starts_again_where_one_was_killed(place: Path, kind: SwitchKind) -> None:
    first = Switch.start(place / "net", kind=kind)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    ended(first.pid)
    assert not Switch.attach(place / "net").alive()
    again = Switch.start(place / "net", kind=kind)
    assert again.alive() and again.pid != first.pid


def test_it_is_found_and_ended_whatever_became_of_its_files(place: Path, kind: SwitchKind) -> None:
    for left in ("", '{"card": {"direc', '{"format": 9}', None):
        started = Switch.start(place, kind=kind)
        (place / "switch.pid").write_text("")
        (place / "switch.json").write_text(left) if left is not None else (place / "switch.json").unlink()
        assert Switch.start(place, kind=kind).pid == started.pid
        assert Switch.attach(place).stop() == "SIGTERM"
        assert not started.alive()
    (place / "switch.json").write_text("")
    with pytest.raises(CheckError, match=r"switch\.json can't be read"):
        Switch.attach(place)


def starter(directory: Path, kind: SwitchKind, rest: str) -> "subprocess.Popen[bytes]":
    code = (
        "import sys, time; from pathlib import Path; from builder.network.network import *\n"
        f"switch = Switch.start(Path(sys.argv[1]), kind=SwitchKind(sys.argv[2]), {rest}"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(directory), kind], stdout=subprocess.PIPE)


def test_it_outlives_its_starter(place: Path, kind: SwitchKind) -> None:
    with starter(place / "net", kind, ")") as process:
        assert process.wait(30) == 0
    switch = Switch.attach(place / "net")
    assert switch.alive()
    assert switch.pid is not None
    assert os.getsid(switch.pid) == switch.pid, "a terminal's signals do not reach it"
    assert Path(f"/proc/{switch.pid}/cwd").readlink() in (Path("/"), Path(__file__).parents[2])


def test_a_leashed_one_ends_with_its_starter(place: Path, kind: SwitchKind) -> None:
    with starter(place / "net", kind, "leashed=True); print(switch.pid, flush=True); time.sleep(60)") as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert Switch.attach(place / "net").pid == pid
        process.kill()
        ended(pid)


def test_a_leash_holds_though_its_taker_is_forgotten_and_goes_with_the_switch(place: Path, kind: SwitchKind) -> None:
    pid = Switch.start(place / "net", kind=kind, leashed=True).pid
    assert len(children()) == 1
    time.sleep(0.3)
    found = Switch.attach(place / "net")
    assert found.alive() and found.pid == pid
    found.stop()
    assert children() == set()


def test_an_interrupted_start_leaves_no_process(place: Path, kind: SwitchKind, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Identity] = []

    def interrupted(card: ClusterCard) -> Identity:
        launched.append(real(card))
        raise KeyboardInterrupt

    real = network_module._launch
    monkeypatch.setattr(network_module, "_launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Switch.start(place / "net", kind=kind)
    ended(launched[0].pid)
    assert not Switch.attach(place / "net").alive()


def test_a_starter_that_was_killed_before_its_own_note_is_no_hindrance(place: Path, kind: SwitchKind) -> None:
    switch = Switch.start(place / "net", kind=kind)
    network_module._save(network_module.State(card=switch.card))
    found = Switch.attach(place / "net")
    assert found.pid == switch.pid
    assert found.stop() == "SIGTERM"


def test_a_process_id_that_was_used_again_is_left_alone(place: Path, kind: SwitchKind) -> None:
    card = ClusterCard(directory=place / "net", kind=kind)
    card.directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(card.directory)]) as stranger:
        identity = Identity(pid=stranger.pid, started=1, boot="an earlier one")
        network_module._save(network_module.State(card=card, identity=identity))
        assert Switch.attach(card.directory).stop() == "ended before"
        assert stranger.poll() is None
        stranger.kill()


def test_what_cannot_be_is_told(place: Path, kind: SwitchKind, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckError, match="there is no switch in"):
        Switch.attach(place)
    with pytest.raises(InputError, match="too long a name"):
        Switch.start(place / ("x" * 100), kind=kind)
    broken = ["sh", "-c", "echo the cable burns >&2; exit 1"]
    monkeypatch.setattr(network_module, "switch_command", lambda _: broken)
    with pytest.raises(BuildError, match="could not be started") as failed:
        Switch.start(place / "net", kind=kind)
    assert failed.value.details == ("the cable burns",)


def test_our_own_switch_tells_why_it_does_not_come_up(place: Path) -> None:
    (place / "net" / "switch.log").mkdir(parents=True)
    with pytest.raises(BuildError, match="could not be started") as failed:
        Switch.start(place / "net", kind=SwitchKind.OWN)
    assert "IsADirectoryError" in failed.value.details[-1]
    assert {path.name for path in (place / "net").iterdir()} == {STATE, "switch.log"}


# The choice


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


@pytest.mark.parametrize(
    ("plugs", "others", "chosen"),
    [
        ("user stream vde", ["vde_switch"], SwitchKind.VDE),
        ("user stream vde", [], SwitchKind.OWN),
        ("user stream", ["vde_switch"], SwitchKind.OWN),
        ("user vde", ["vde_switch"], SwitchKind.VDE),
    ],
)
def test_the_choice(plugs: str, others: list[str], chosen: SwitchKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(tmp_path, monkeypatch, plugs, *others)
    assert choose(AMD64.qemu) is chosen


def test_an_old_qemu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(tmp_path, monkeypatch, "user socket vde")
    with pytest.raises(ToolMissing, match="can't be plugged") as missing:
        choose(AMD64.qemu)
    assert "7.2" in missing.value.hint


def test_the_commands() -> None:
    directory = Path("/state/one/net")
    assert switch_command(ClusterCard(directory=directory, kind=SwitchKind.VDE)) == [
        "vde_switch", "--sock", "/state/one/net/vde", "--mode", "0600", "--dirmode", "0700", "--numports", "128",
        "--rcfile", "/dev/null", "--pidfile", "/state/one/net/switch.pid", "--daemon",
    ]  # fmt: skip
    own = switch_command(ClusterCard(directory=directory, kind=SwitchKind.OWN))
    assert own[-4:] == [sys.executable, "-m", "builder.network.switch", "/state/one/net"]


# What passes


def test_two_switches_never_hear_one_another(place: Path, kind: SwitchKind) -> None:
    """Each end is QEMU's own, with the arguments that a machine gets."""
    if kind.value not in ("own", *run(["qemu-system-x86_64", "-netdev", "help"]).stdout.split()):
        pytest.skip("this QEMU was built without vde")
    with ExitStack() as stack:
        pairs = {
            name: [
                stack.enter_context(bridged(Switch.start(place / name, kind=kind).card, place, f"{name}{end}")) for end in "12"
            ]
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


@pytest.fixture
def own(place: Path) -> Switch:
    return Switch.start(place / "net", kind=SwitchKind.OWN)


def log_of(switch: Switch) -> str:
    return (switch.card.directory / "switch.log").read_text()


def logged(switch: Switch, text: str) -> None:
    """Waits until the last line that the switch wrote holds `text`."""
    poll(
        lambda: True if text in "".join(log_of(switch).splitlines()[-1:]) else None, Deadline.after(20), what=text, interval=0.05
    )


@contextmanager
def plugged(switch: Switch, count: int) -> Iterator[list[Direct]]:
    """So many plugs, which the switch knows of."""
    with ExitStack() as stack:
        plugs = [stack.enter_context(Direct(switch.card)) for _ in range(count)]
        logged(switch, f"there are {count}")
        yield plugs


def greet(*plugs: Direct) -> None:
    """Each plug speaks to everybody, and all others hear it."""
    for number, plug in enumerate(plugs):
        shout = frame(EVERYBODY, address(number))
        plug.send(shout)
        assert [other.receive() for other in plugs if other is not plug] == [shout] * (len(plugs) - 1)


def test_a_machine_that_stands_still_holds_up_no_other(own: Switch) -> None:
    long = frame(EVERYBODY, ONE, b"x" * 1400)
    with plugged(own, 3) as (_, one, two):
        for _ in range(3 * switch_module.BACKLOG // len(long)):
            one.send(long)
            assert two.receive() == long
    logged(own, "there are 0")
    losses = [int(number) for number in re.findall(r"(\d+) frames to it dropped", log_of(own))]
    assert sorted(losses)[:2] == [0, 0]
    assert len(losses) == 3 and max(losses) > 0


def test_a_plug_that_talks_nonsense_is_hung_up_on_and_the_others_go_on(own: Switch) -> None:
    with plugged(own, 2) as plugs:
        greet(*plugs)
        with Direct(own.card) as rude:
            rude.socket.sendall(b"\xff" * 100)
            assert rude.receive() == b""
        greet(*plugs)
    assert "a frame of 4294967295 bytes" in log_of(own)


def test_there_is_a_bound_on_plugs(own: Switch) -> None:
    with plugged(own, switch_module.PLUGS) as plugs, Direct(own.card) as late:
        assert late.receive() == b""
        plugs[0].close()
        logged(own, f"there are {switch_module.PLUGS - 1}")
        with Direct(own.card) as next_one:
            greet(next_one, *plugs[1:])


def test_it_keeps_no_descriptor_of_who_left_and_sleeps_while_nothing_comes(own: Switch) -> None:
    before = descriptors(own)
    for _ in range(20):
        with plugged(own, 2) as plugs:
            greet(*plugs)
        logged(own, "there are 0")
    assert descriptors(own) == before
    spent = processor_time(own)
    time.sleep(0.5)
    assert processor_time(own) - spent <= 1


def descriptors(switch: Switch) -> int:
    return len(list(Path(f"/proc/{switch.pid}/fd").iterdir()))


def processor_time(switch: Switch) -> int:
    """In clock ticks, of which there are 100 a second (proc_pid_stat(5))."""
    fields = Path(f"/proc/{switch.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
