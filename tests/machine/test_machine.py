"""A machine's whole life with a QEMU that is a small program: start, attach, faults, end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from machine_fakes import write_qemu
from offspring import children

from builder import leash as leash_module
from builder.deadline import Deadline
from builder.errors import BuildError, CheckError, InputError, ToolMissing
from builder.machine import launch as launch_module
from builder.machine import machine as machine_module
from builder.machine.machine import Machine
from builder.machine.model import Acceleration, ClusterCard, Firmware, MachineSpec

Start = Callable[..., Machine]


@pytest.fixture
def spec(tmp_path: Path) -> MachineSpec:
    medium = tmp_path / "node.iso"
    medium.write_bytes(b"\0" * 2048)
    return MachineSpec(name="one", directory=tmp_path / "m", medium=medium, acceleration=Acceleration(name="tcg", reason="test"))


@pytest.fixture
def start(spec: MachineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    started: list[Machine] = []

    def begin(behaviour: str, leashed: bool = False) -> Machine:
        programs = tmp_path / "programs"
        programs.mkdir(exist_ok=True)
        write_qemu(programs, behaviour)
        monkeypatch.setenv("PATH", f"{programs}:{Path('/usr/bin')}:/bin")
        started.append(Machine.start(spec, leashed=leashed))
        return started[-1]

    yield begin
    for machine in started:
        machine.stop(grace=0)


def soon() -> Deadline:
    return Deadline.after(10)


def test_it_starts_tells_its_stages_and_ends(start: Start, spec: MachineSpec) -> None:
    machine = start("runs")
    assert machine.alive()
    ready = machine.console().wait_stage("ready", soon())
    assert ready.cpu_ms == 50
    with machine.qmp() as qmp:
        assert qmp.status() == "running"
    ending = machine.stop(grace=0.2)
    assert (ending.how, ending.reason) == ("quit", "host-qmp-quit")
    assert not machine.alive()
    assert not [path for path in spec.directory.iterdir() if path.suffix in (".sock", ".pid", ".part")]
    assert machine.stop().how == "ended before"


def test_it_is_found_again_from_its_directory_alone(start: Start, spec: MachineSpec) -> None:
    first = start("runs")
    first.console().wait_stage("ready", soon())
    first.close()
    second = Machine.attach(spec.directory)
    assert second.alive()
    assert second.pid == first.pid
    assert second.spec == first.spec
    assert second.console().wait_stage("ready", soon()).cpu_ms == 50
    second.stop(grace=0)
    assert not first.alive()
    assert not Machine.attach(spec.directory).alive()


def test_a_directory_without_a_machine_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="there is no machine in"):
        Machine.attach(tmp_path)


def test_a_start_that_fails_tells_qemus_own_words(start: Start) -> None:
    with pytest.raises(BuildError, match="could not start the machine one") as failed:
        start("at once")
    assert "fake: no such accelerator" in failed.value.details
    assert "exit code 1" in failed.value.why
    assert "qemu-system-x86_64 -name guest=one" in failed.value.hint


def test_qemu_dying_during_boot_ends_the_wait_with_its_last_words(start: Start) -> None:
    machine = start("dies")
    began = time.monotonic()
    with pytest.raises(CheckError, match="QEMU of one has ended: fake: the processor caught fire"):
        machine.console().wait_stage("ready", Deadline.after(60))
    assert time.monotonic() - began < 8
    with pytest.raises(CheckError, match="caught fire"):
        machine.qmp()


def test_qemu_being_killed_ends_the_wait(start: Start) -> None:
    machine = start("waits")
    assert machine._process
    machine._process.send(signal.SIGKILL)
    with pytest.raises(CheckError, match="powered off, or killed"):
        machine.console().wait_stage("ready", Deadline.after(60))


def test_a_panic_ends_the_wait_while_qemu_lives(start: Start) -> None:
    machine = start("panics")
    with pytest.raises(CheckError, match="Unable to mount root fs"):
        machine.console().wait_stage("ready", Deadline.after(60))
    assert machine.alive()


def test_a_machine_that_can_boot_from_nothing_says_so(start: Start, spec: MachineSpec) -> None:
    machine = start("waits")
    spec.firmware_log.write_text(
        "Booting from DVD/CD...\nBoot failed: Could not read from CDROM (code 0003)\nNo bootable device.\n"
    )
    with pytest.raises(CheckError, match=r"the firmware found nothing to boot from on node\.iso"):
        machine.console().wait_stage("ready", Deadline.after(60))


def test_a_qemu_that_is_deaf_is_ended_by_a_signal(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "PATIENCE", 1.0)
    machine = start("deaf")
    assert machine.stop(grace=0).how == "SIGTERM"
    assert not machine.alive()


def test_a_machine_that_runs_is_not_started_twice(start: Start) -> None:
    start("runs")
    with pytest.raises(CheckError, match="runs already"):
        start("runs")


def test_it_starts_again_after_its_end(start: Start) -> None:
    start("runs").stop(grace=0)
    again = start("runs")
    assert again.console().wait_stage("ready", soon()).state == "ok"


def test_a_pid_that_was_used_again_is_left_alone(spec: MachineSpec) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(spec.directory)]) as stranger:
        spec.directory.mkdir()
        identity = {"pid": stranger.pid, "started": 1, "boot": "an earlier one"}
        state = {"spec": json.loads(spec.model_dump_json()), "identity": identity}
        (spec.directory / "machine.json").write_text(json.dumps(state))
        machine = Machine.attach(spec.directory)
        assert not machine.alive()
        assert machine.stop().how == "ended before"
        assert stranger.poll() is None
        stranger.kill()


def test_a_leashed_machine_ends_with_its_starter(start: Start, spec: MachineSpec, tmp_path: Path) -> None:
    start("runs").stop(grace=0)  # writes the fake
    code = (
        "import sys, time; from pathlib import Path; from builder.machine.machine import Machine, MachineSpec\n"
        "spec = MachineSpec.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "machine = Machine.start(spec, leashed=True); print(machine.pid, flush=True); time.sleep(60)"
    )
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "spec.json")], stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        assert int(starter.stdout.readline()) == Machine.attach(spec.directory).pid
        machine = Machine.attach(spec.directory)
        starter.kill()
        machine.wait_ended(soon())
    assert not machine.alive()


def test_a_leash_is_there_before_qemu_is(spec: MachineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed while QEMU starts leaves a leash that ends it."""
    seen: list[set[str]] = []

    def refuse(_: MachineSpec) -> NoReturn:
        seen.append(children())
        raise BuildError("no machine today")

    monkeypatch.setattr(machine_module, "launch", refuse)
    with pytest.raises(BuildError, match="no machine today"):
        Machine.start(spec, leashed=True)
    assert len(seen[0]) == 1
    assert children() == set()


def test_a_leash_waits_for_a_process_that_is_only_starting(tmp_path: Path) -> None:
    """It loses its owner before the process has written its id down."""
    note = tmp_path / "pid"
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]) as process,
        subprocess.Popen(["sh", "-c", leash_module._WATCH, "sh", note, tmp_path], stdin=subprocess.PIPE) as watch,
    ):
        assert watch.stdin
        watch.stdin.close()
        time.sleep(0.3)
        note.write_text(f"{process.pid}\n")
        assert process.wait(10) == -signal.SIGTERM
        assert watch.wait(10) == 0


def test_cables_are_pulled_and_put_back(start: Start, spec: MachineSpec) -> None:
    machine = start("runs")
    machine.set_link("access", up=False)
    machine.set_link("access", up=True)
    with pytest.raises(CheckError, match="QEMU refused set_link") as refused:
        machine.set_link("cluster", up=False)
    assert "not found" in refused.value.why
    assert spec.stderr_log.read_text().splitlines() == [
        "set_link access False", "set_link access True", "set_link cluster False",
    ]  # fmt: skip


def test_a_machine_stands_still_and_goes_on(start: Start) -> None:
    machine = start("runs")
    machine.pause()
    with machine.qmp() as qmp:
        assert qmp.status() == "prelaunch"  # what the fake calls it
    machine.resume()
    with machine.qmp() as qmp:
        assert qmp.status() == "running"


def test_diagnosis_names_what_it_could_not_get(start: Start) -> None:
    machine = start("runs")
    machine.console().wait_stage("ready", soon())
    found = machine.diagnose()
    assert b'"stage":"ready"' in bytes(found["console.log"])  # type: ignore[arg-type]
    assert '"running"' in str(found["status.json"])
    assert "not available" in str(found["screen.png"])
    assert "-accel" in str(found["argv.txt"])
    machine.stop(grace=0)
    after = machine.diagnose()
    assert "has ended" in str(after["state.txt"])
    assert "status.json" not in after


def test_bad_specs_are_refused_before_anything_starts(spec: MachineSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="there is no medium"):
        Machine.start(spec.model_copy(update={"medium": tmp_path / "none.iso"}))
    for field, what in (("metadata", "metadata volume"), ("state_disk", "state disk")):
        with pytest.raises(InputError, match=f"there is no {what}"):
            Machine.start(spec.model_copy(update={field: tmp_path / "none.img"}))
    card = ClusterCard(directory=tmp_path / "net")
    with pytest.raises(CheckError, match="does not run") as unplugged:
        Machine.start(spec.model_copy(update={"cluster_network": card}))
    assert "/vde" in unplugged.value.why
    with pytest.raises(InputError, match="too long a name"):
        Machine.start(spec.model_copy(update={"directory": tmp_path / ("x" * 100)}))
    monkeypatch.setattr(launch_module, "OVMF_VARS", tmp_path / "none.fd")
    with pytest.raises(ToolMissing, match="UEFI firmware") as missing:
        Machine.start(spec.model_copy(update={"firmware": Firmware.UEFI}))
    assert "ovmf" in missing.value.hint
