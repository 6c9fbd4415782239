"""What can be said of a machine from outside, for a bundle of diagnostics. Nothing here may fail or hang."""

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from builder.errors import KubeisoError
from builder.machine.model import MachineSpec
from builder.machine.qemu import command
from builder.machine.qmp import Qmp

Finding = bytes | str


def diagnose(spec: MachineSpec, state: str, connect: Callable[[], Qmp] | None) -> dict[str, Finding]:
    """Contents by file name: console, QEMU's arguments and log, firmware's log, and, while it lives, its state and its screen.

    `connect` opens QMP; None where the machine has ended. What can't be had is there too, with the reason as its content.
    """
    found: dict[str, Finding] = {
        "console.log": _file(spec.console_log),
        "qemu.log": _file(spec.stderr_log),
        "firmware.log": _file(spec.firmware_log),
        "argv.txt": shlex.join(command(spec)) + "\n",
        "machine.json": spec.model_dump_json(indent=1) + "\n",
        "state.txt": state + "\n",
    }
    if connect is None:
        return found
    try:
        with connect() as qmp:
            found.update(_live(qmp, spec.directory / "screen.png"))
    except KubeisoError as error:
        found["qmp.txt"] = str(error)
    return found


def _live(qmp: Qmp, screen: Path) -> dict[str, Finding]:
    def picture() -> Finding:
        qmp.screendump(screen)
        return screen.read_bytes()

    def registers_later() -> Finding:
        time.sleep(0.5)
        return qmp.monitor("info registers -a")

    # Registers twice: a processor that stands still shows the same RIP.
    looks: dict[str, Callable[[], Finding]] = {
        "status.json": lambda: _text(qmp.execute("query-status")),
        "block.json": lambda: _text(qmp.execute("query-block")),
        "chardev.json": lambda: _text(qmp.execute("query-chardev")),
        "registers-1.txt": lambda: qmp.monitor("info registers -a"),
        "registers-2.txt": registers_later,
        "network.txt": lambda: qmp.monitor("info network") + qmp.monitor("info usernet"),
        "screen.png": picture,
    }
    return {name: _attempt(look) for name, look in looks.items()}


def _attempt(look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (KubeisoError, OSError) as error:
        return f"not available: {error}\n"


def _file(path: Path) -> Finding:
    return _attempt(path.read_bytes)


def _text(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"
