"""QMP, QEMU's control channel, for callers that are not asynchronous."""

import asyncio
import logging
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from builder.deadline import Deadline
from builder.errors import CheckError

T = TypeVar("T")

# What the library logs is raised as well; without a handler, Python would print it.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

TIMEOUT = 30.0
"""Seconds for one answer. QEMU's main loop answers in milliseconds, save on a host that is badly overloaded."""

PULSE = 0.5
"""Seconds of silence after which Python looks for a signal: one that comes just before the loop falls asleep does not wake it."""

GRACE = 5.0
"""Seconds for work that is given up to end."""

# Events that tell the fate of a guest: docs of QEMU, qapi/run-state.json.
FATES = ("SHUTDOWN", "GUEST_PANICKED", "RESET")


class Qmp:
    """A connection for one caller. QEMU serves one client at a time, so hold it only for as long as it is needed:
    with Qmp(socket) as qmp: qmp.execute("query-status")
    """

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # as with the log: what went wrong is raised as well
        self._socket = socket.socket(socket.AF_UNIX)
        self._client = QMPClient("kubeiso")
        self._fates = EventListener(FATES)
        self._client.register_listener(self._fates)
        try:
            self._connect(path)
        except (QMPError, OSError, TimeoutError) as error:
            self._end()
            raise _unreachable(path, error, timeout) from error
        except BaseException:
            self._end()
            raise

    def _connect(self, path: Path) -> None:
        self._socket.settimeout(self._timeout)
        self._socket.connect(str(path))
        self._socket.setblocking(False)
        self._await(self._client.connect(self._socket), self._timeout)

    def _end(self) -> None:
        """Without the socket's end QEMU would take this client for the one that it serves, and let the next one wait."""
        self._loop.close()
        self._socket.close()

    def __enter__(self) -> "Qmp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        try:
            self._await(self._client.disconnect(), self._timeout)
        except (QMPError, EOFError, OSError, TimeoutError):
            pass  # QEMU ended first: there is nothing left to take leave of
        finally:
            self._end()

    def execute(self, command: str, **arguments: object) -> Any:
        """The command's return value. Arguments with a hyphen in their name are given with an underscore.

        Raises CheckError when QEMU refuses it, ends, or does not answer.
        """
        fields = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            return self._await(self._client.execute(command, fields or None), self._timeout)
        except ExecuteError as error:
            raise CheckError(f"QEMU refused {command}", why=str(error)) from error
        except (QMPError, EOFError, OSError, TimeoutError) as error:
            raise CheckError(f"QEMU did not answer {command}", why=str(error) or type(error).__name__) from error

    def monitor(self, line: str) -> str:
        """A command of the human monitor, such as "info registers"; returns its text."""
        return str(self.execute("human-monitor-command", command_line=line))

    def status(self) -> str:
        """Such as "running", "paused", "internal-error", "guest-panicked"."""
        return str(self.execute("query-status")["status"])

    def screendump(self, path: Path) -> None:
        """Writes the screen as PNG; the path is QEMU's, which works in another directory."""
        self.execute("screendump", filename=str(path.absolute()), format="png")

    def set_link(self, device: str, *, up: bool) -> None:
        """Puts the cable of a NIC in or out."""
        self.execute("set_link", name=device, up=up)

    def fate(self, deadline: Deadline, *names: str) -> dict[str, Any] | None:
        """The next event of these names (all of FATES when none is given); None when there was none in time."""
        while True:
            try:
                event = self._await(self._fates.get(), max(0.05, deadline.remaining))
            except TimeoutError:
                return None
            if not names or event["event"] in names:
                return dict(event)

    def _await(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        task, deadline = self._loop.create_task(work), Deadline.after(timeout)
        try:
            while not task.done() and not deadline.expired:
                self._loop.run_until_complete(asyncio.wait({task}, timeout=min(PULSE, deadline.remaining)))
            if task.done():
                return task.result()
        finally:
            self._give_up(task)
        raise TimeoutError

    def _give_up(self, task: "asyncio.Task[T]") -> None:
        """What is under way has to end, else QEMU would go on serving it and let the next client wait.

        A client that Ctrl-C met in the middle of its work may not hear of that: it is not waited for longer than GRACE.
        """
        if not task.done():
            task.cancel()
            self._loop.run_until_complete(asyncio.wait({task}, timeout=GRACE))


def _unreachable(path: Path, error: BaseException, timeout: float) -> CheckError:
    if isinstance(error, TimeoutError):
        why = f"no greeting within {timeout:.0f} s: another program is connected to it, or QEMU hangs"
        return CheckError("QEMU's control socket is taken", why=why, hint=f"see who holds {path}: lsof {path}")
    return CheckError("QEMU's control socket does not answer", why=str(error), hint=f"the socket is {path}")
