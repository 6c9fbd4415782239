"""Clusters as a user handles them, with a QEMU that is a small program: what each verb says, and what is left behind."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leftovers import leftovers
from machine_fakes import write_qemu
from program import Outcome, Program, files, finish, until

from builder import owned
from builder.cluster.state import FILE, MARKER
from builder.machine.machine import STATE, Machine
from builder.process import identify

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def qemu(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment in which QEMU is one that behaves so."""

    def behaving(behaviour: str) -> dict[str, str]:
        folder = tmp_path / behaviour
        folder.mkdir(exist_ok=True)
        write_qemu(folder, behaviour)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return behaving


Qemu = Callable[[str], dict[str, str]]
Run = Callable[..., Outcome]


@pytest.fixture
def warm(built: Program, program: Program) -> Program:
    """A program whose cache has all that a build needs."""
    program.home.mkdir(exist_ok=True)
    program.cache.symlink_to(built.cache)
    return program


def node(program: Program, cluster: str = "try") -> Path:
    return program.state / cluster / f"{cluster}-master-1"


def reserved(program: Program) -> list[str]:
    """The clusters that have ports."""
    table = program.state / ".ports" / "ports.json"
    return [Path(entry["owner"]).name for entry in json.loads(table.read_text())] if table.exists() else []


def gone(program: Program, pid: int | None, cluster: str = "try") -> bool:
    """Whether nothing is left of a cluster: process, directory, ports."""
    assert pid and identify(pid) is None
    assert leftovers(program.state / cluster) == []
    assert not (program.state / cluster).exists() and not (program.state / f".{cluster}.lock").exists()
    assert cluster not in reserved(program)
    return True


def test_a_cluster_s_life(kubeiso: Run, warm: Program, qemu: Qemu) -> None:
    path = qemu("runs")
    done = kubeiso(*warm.up("try"), **path)
    assert (done.code, done.out) == (0, "the machines run.  next: kubeiso init --name try\n"), done.told
    pid = Machine.attach(node(warm)).pid
    assert reserved(warm) == ["try"]

    status = kubeiso("status", "--name", "try", **path)
    assert status.failed(5, "kubeadm init has not been run", next="kubeiso init --name try")
    assert status.out.split() == ["try-master-1", "master", "running"]

    again = kubeiso(*warm.up("try"), **path)
    assert again.failed(2, "the cluster try exists already", next="kubeiso down --name try")
    assert Machine.attach(node(warm)).pid == pid

    logs = kubeiso("logs", "--name", "try", **path)
    assert logs.code == 0 and '"stage":"ready"' in logs.out
    assert kubeiso("kubeconfig", "--name", "try").failed(2, "has no kubeconfig yet", next="kubeiso init --name try")
    assert kubeiso("shell", "try-master-2", "--name", "try").failed(2, "no node try-master-2", next="'try-master-1'")

    down = kubeiso("down", "--name", "try", "--json", **path)
    assert (down.code, json.loads(down.out)) == (0, {"cluster": "try", "endings": ["try-master-1: quit"]})
    assert gone(warm, pid)


@pytest.mark.parametrize(
    "verb",
    [("down",), ("status",), ("init",), ("kubeconfig",), ("shell",), ("logs",), ("etcd", "save", "x"), ("etcd", "restore", "x")],
)
def test_a_cluster_that_is_not_there(kubeiso: Run, verb: tuple[str, ...]) -> None:
    done = kubeiso(*verb, "--name", "try")
    assert done.failed(2, "there is no cluster try", next="known are: none; start one: kubeiso up")


def test_a_machine_that_dies_is_left_for_a_look(kubeiso: Run, warm: Program, qemu: Qemu) -> None:
    path = qemu("dies")
    done = kubeiso(*warm.up("try"), **path)
    assert done.code == 5
    assert "the processor caught fire" in done.error["what"]
    assert "left for a look: kubeiso logs --name try; kubeiso down --name try removes it" in done.told

    status = kubeiso("status", "--name", "try", "--json")
    assert status.failed(5, "try-master-1 does not run", next="kubeiso down --name try")
    assert json.loads(status.out) == {"cluster": "try", "nodes": {"try-master-1": False}, "notes": {}, "checks": []}
    assert '"stage":"init"' in kubeiso("logs", "--name", "try", "--follow").out
    assert kubeiso("down", "--name", "try").out == "try-master-1: ended before\n"
    assert not (warm.state / "try").exists() and reserved(warm) == []


def test_a_qemu_that_can_t_start_a_machine(kubeiso: Run, warm: Program, qemu: Qemu) -> None:
    done = kubeiso(*warm.up("try"), **qemu("at once"))
    assert done.failed(4, "QEMU could not start the machine try-master-1", "no such accelerator", why="exit code 1", next="qemu")
    assert kubeiso("down", "--name", "try").code == 0  # the network that was there before the machine
    assert not (warm.state / "try").exists() and reserved(warm) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_while_machines_boot_leaves_nothing(warm: Program, qemu: Qemu, number: signal.Signals) -> None:
    process = warm.start(*warm.up("try"), **qemu("never ready"))
    until((node(warm) / "console.log").exists, "a machine that boots")
    pid = Machine.attach(node(warm)).pid
    process.send_signal(number)
    done = finish(process)
    assert done.interrupted()
    assert "interrupted: removing the cluster try\n" in done.told
    assert gone(warm, pid)


def test_the_second_ctrl_c_during_a_test_does_not_wait_for_diagnostics(warm: Program, qemu: Qemu) -> None:
    process = warm.start("test", "--runtime", "toy", "--name", "try", *warm.toy.components, **qemu("never ready"))
    until((node(warm) / "console.log").exists, "a machine that boots")
    pid = Machine.attach(node(warm)).pid
    process.send_signal(signal.SIGINT)
    assert process.stderr and any("collecting what is known" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert finish(process).interrupted()
    assert gone(warm, pid)


def test_a_failed_test_is_told_and_torn_down(kubeiso: Run, warm: Program, qemu: Qemu) -> None:
    done = kubeiso("test", "--runtime", "toy", "--name", "try", "--json", *warm.toy.components, **qemu("dies"))
    assert done.failed(5, "the suite smoke failed", why="caught fire", next="see out/test-toy-smoke-bios-cdrom-try")
    outcomes = [finding["outcome"] for finding in json.loads(done.out)["findings"]]
    assert "failed" in outcomes and outcomes[-1] == "not run"
    assert not (warm.state / "try").exists() and reserved(warm) == []
    assert "test-toy-smoke-bios-cdrom-try/console-try-master-1.log" in files(warm.out)


@pytest.mark.parametrize("behaviour", ["never ready", "runs"])
def test_down_after_the_program_itself_was_killed(warm: Program, qemu: Qemu, behaviour: str) -> None:
    process = warm.start(*warm.up("try"), **qemu(behaviour))
    log = node(warm) / "console.log"
    until(lambda: log.exists() and b'"stage"' in log.read_bytes(), "a machine that boots, and was told to")
    pid = Machine.attach(node(warm)).pid
    process.kill()
    finish(process)
    assert pid and identify(pid), "the machine outlives it"
    assert warm.run("down", "--name", "try").out in ("try-master-1: quit\n", "try-master-1: SIGTERM\n"), "as soon as it listens"
    assert gone(warm, pid)


def test_what_a_killed_program_had_only_begun_is_removed(kubeiso: Run, warm: Program, qemu: Qemu) -> None:
    owned.make(warm.state / "try", MARKER, "the cluster try")
    (warm.state / "try" / "try-master-1").mkdir()
    (warm.state / "try" / "kubectl").write_text("half")
    down = kubeiso("down", "--name", "try")
    assert (down.code, down.out) == (0, "try: was never laid out to the end\n"), down.told
    assert files(warm.state / "try") == []
    owned.make(warm.state / "try", MARKER, "the cluster try")
    (warm.state / "try" / "kubectl").write_text("half")
    done = kubeiso(*warm.up("try"), **qemu("runs"))
    assert done.code == 0, done.told
    assert kubeiso("down", "--name", "try").code == 0


@pytest.mark.parametrize("verb", ["up", "down", "test", "init"])
def test_a_folder_of_the_user_s_is_left_alone(kubeiso: Run, warm: Program, qemu: Qemu, verb: str) -> None:
    """Whatever lies where a cluster of that name would, and was not made by kubeiso."""
    photo = warm.state / "try" / "2019" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a photo")
    words = {"up": warm.up("try"), "test": ("test", "--runtime", "toy", "--name", "try", *warm.toy.components)}
    done = kubeiso(*words.get(verb, (verb, "--name", "try")), **qemu("runs"))
    if verb in words:
        assert done.failed(2, f"{warm.state / 'try'} is not kubeiso's", why="it holds 2019", next="another name"), done.told
    else:
        assert done.failed(2, "there is no cluster try")
    assert photo.read_bytes() == b"a photo" and files(warm.state / "try") == ["2019", "2019/a.jpg"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 99, "name": "try"}', '{"name": "try", "rabbits": 1}', '{"name": "other"}']
)
def test_down_ends_what_runs_though_the_cluster_s_file_is_damaged_or_of_another_version(
    kubeiso: Run, warm: Program, qemu: Qemu, text: str
) -> None:
    path = qemu("runs")
    assert kubeiso(*warm.up("try"), **path).code == 0
    pid = Machine.attach(node(warm)).pid
    (warm.state / "try" / FILE).write_text(text)
    status = kubeiso("status", "--name", "try", **path)
    assert status.code == 5 and "Traceback" not in status.told and "kubeiso down --name try" in status.told
    down = kubeiso("down", "--name", "try", **path)
    assert (down.code, down.out) == (0, "try-master-1: quit\n"), down.told
    assert gone(warm, pid)


def test_two_up_at_once_make_one_cluster(warm: Program, qemu: Qemu) -> None:
    path = qemu("runs")
    both = [warm.start(*warm.up("try"), **path) for _ in range(2)]
    done = sorted((finish(process) for process in both), key=lambda outcome: outcome.code)
    assert [outcome.code for outcome in done] == [0, 2], [outcome.told for outcome in done]
    assert "another kubeiso is at work on the cluster try" in done[1].told or "the cluster try exists already" in done[1].told
    pid = Machine.attach(node(warm)).pid
    assert warm.run("down", "--name", "try").out == "try-master-1: quit\n"
    assert gone(warm, pid)


@pytest.fixture
def held(own_program: Program) -> Iterator[Program]:
    """A program whose mirror does not answer until the test is over."""
    over = threading.Event()
    own_program.toy.server.before = lambda _handler, _nth: over.wait(60)
    yield own_program
    over.set()


def test_two_at_once_of_the_same_name(held: Program) -> None:
    first = held.start(*held.up("try"))
    until(lambda: held.toy.server.asked, "the first one at work")
    for words in (held.up("try"), ("down", "--name", "try"), ("init", "--name", "try")):
        assert held.run(*words).failed(2, "another kubeiso is at work on the cluster try", next="another --name")
    first.send_signal(signal.SIGTERM)
    assert finish(first).interrupted()
    assert not (held.state / "try").exists() and reserved(held) == []
    assert list(held.state.rglob(STATE)) == []
