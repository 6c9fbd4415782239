"""A node's console in this terminal."""

import os
import select
import socket
import sys
import termios
import tty
from pathlib import Path

from builder.cli.common import say
from builder.console.wire import Claim
from builder.errors import InputError

LEAVE = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""


def session(path: Path, lock: Path, quiet: float | None = None) -> None:
    """Connects standard input and output to the console socket until Ctrl-] or the machine's end.

    quiet: where standard input ends, as a pipe does, it is over as soon as nothing came for so many seconds.
    Raises CheckError where another program holds the console (its lock is `lock`).
    """
    claim = Claim(lock)
    try:
        _connected(path, quiet)
    finally:
        claim.release()


def _connected(path: Path, quiet: float | None) -> None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError as error:
        raise InputError("the console can't be reached", why=f"{path}: {error.strerror}", hint="does the machine run?") from error
    with connection:
        if not sys.stdin.isatty():
            _pump(connection, sys.stdin.fileno(), quiet)
            return
        say("connected; Ctrl-] leaves, the machine runs on")
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            connection.sendall(b"\r")
            _pump(connection, sys.stdin.fileno(), None)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            say("")


def _pump(connection: socket.socket, keyboard: int, quiet: float | None) -> None:
    sources = [connection.fileno(), keyboard]
    while True:
        ready, _, _ = select.select(sources, [], [], None if keyboard in sources else quiet)
        if not ready:
            return
        if connection.fileno() in ready:
            data = connection.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if keyboard in ready:
            typed = os.read(keyboard, 4096)
            if LEAVE in typed:
                return
            if not typed:
                sources.remove(keyboard)  # the end of a pipe: the output goes on
            else:
                connection.sendall(typed)
