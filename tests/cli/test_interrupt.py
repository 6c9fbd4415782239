"""Ctrl-C at a moment at which Python drops what is raised: it ends the run all the same."""

import signal
import subprocess
import sys

import pytest
from program import ROOT

pytest_plugins = ["ctrl_c"]

# The signal comes within a weak reference's callback, which Python's own thread pools and WeakSets have many of.
_DROPPED = """
import os, sys, threading, weakref
from builder.cli.interrupt import Interrupt, ignore_interrupts
class Thing: pass
interrupt, ended = Interrupt(), threading.Event()
thing = Thing()
watch = weakref.ref(thing, lambda _: os.kill(os.getpid(), int(sys.argv[1])))
del thing
if "ignored" in sys.argv:
    ignore_interrupts()
try:
    print("came" if interrupt.came else "lost", ended.wait(20 if "ignored" not in sys.argv else 0.5))
except KeyboardInterrupt:
    print("ended")
"""
# What else Python drops is told as ever.
_ANOTHER = """
import weakref
from builder.cli.interrupt import Interrupt
class Thing: pass
Interrupt()
thing = Thing()
watch = weakref.ref(thing, lambda _: 1 / 0)
del thing
"""


def run(script: str, *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_python_drops_comes_again(number: signal.Signals) -> None:
    done = run(_DROPPED, int(number))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_one_that_was_dropped_before_the_clean_up_does_not_end_that() -> None:
    done = run(_DROPPED, int(signal.SIGINT), "ignored")
    assert (done.returncode, done.stdout) == (0, "came False\n")


def test_what_else_is_dropped_is_told() -> None:
    assert "ZeroDivisionError" in run(_ANOTHER).stderr
