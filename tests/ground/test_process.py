"""Processes that are not ours: identity, proof, and the wait for their end."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.process import Process, identify


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    code = "import time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "/state/mark-of-one"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # its command line can be read a moment after its start only
        yield process
        process.kill()


def test_it_is_found_by_identity_and_mark(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    found = Process.find(identity, "/state/mark-of-one")
    assert found is not None
    assert not found.ended()
    found.send(signal.SIGTERM)
    assert found.ended(10.0)
    sleeper.wait()
    found.send(signal.SIGKILL)  # to nobody, and without an error
    found.close()
    assert identify(sleeper.pid) is None


def test_another_process_with_the_same_id_is_not_taken_for_it(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    assert Process.find(identity.model_copy(update={"started": identity.started - 1}), "/state/mark-of-one") is None
    assert Process.find(identity.model_copy(update={"boot": "another boot"}), "/state/mark-of-one") is None
    assert Process.find(identity, "/state/mark-of-two") is None


def test_a_zombie_has_ended() -> None:
    with subprocess.Popen(["true"]) as process:
        until = time.monotonic() + 10
        while identify(process.pid) is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert identify(process.pid) is None
        assert process.returncode is None, "nobody waited for it yet"


@pytest.mark.parametrize(("deaf", "how"), [(False, signal.SIGTERM), (True, signal.SIGKILL)])
def test_its_end_says_which_signal_it_took(deaf: bool, how: signal.Signals) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if deaf else ""
    code = f"import signal, time; {ignore}print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "/state/mark"], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        identity = identify(child.pid)
        assert identity is not None
        found = Process.find(identity, "/state/mark")
        assert found is not None
        assert found.end(0.5 if deaf else 10.0) is how


def test_who_is_forgotten_leaves_no_descriptor(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = Process.find(identity, "/state/mark-of-one")
    assert found is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    del found
    assert len(list(Path("/proc/self/fd").iterdir())) == before
