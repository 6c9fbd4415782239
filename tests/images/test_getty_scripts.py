"""Who is served on a node's consoles, and that Ctrl-C reaches them."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from private_mounts import private_mounts

from builder.project import Project

pytest_plugins = ["ctrl_c"]

SCRIPTS = Project.here().pkg / "getty" / "files" / "usr" / "bin"
# Says which signals are ignored where a shell would be started, and for which device.
GETTY = """#!/bin/sh
echo "$6 $(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status)" >>"$TOLD"
exec sleep 100
"""
DEAF = 1 << (signal.SIGINT - 1) | 1 << (signal.SIGQUIT - 1)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in {"getty": GETTY, "control.sh": '#!/bin/sh\necho "control -" >>"$TOLD"\n'}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def served(tmp_path: Path, programs: Path, cmdline: str, count: int) -> dict[str, str]:
    """Who is served on a node with that kernel command line, and the signals that each of so many ignores."""
    told = tmp_path / "told"
    (tmp_path / "cmdline").write_text(cmdline)
    argv = [  # in a namespace of processes too: with the first all end
        *private_mounts(), "--pid", "--fork", "--kill-child", "sh", "-c", 'mount --bind "$1" /proc/cmdline && exec sh "$2"', "sh",
        str(tmp_path / "cmdline"), str(SCRIPTS / "consoles.sh"),
    ]  # fmt: skip
    environment = {"PATH": f"{programs}:/usr/bin:/bin:/usr/sbin", "TOLD": str(told), "PAGE": str(tmp_path / "page")}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            end = time.monotonic() + 20
            while not told.exists() or len(told.read_text().splitlines()) < count:
                assert time.monotonic() < end, told.read_text() if told.exists() else "nobody is served"
                time.sleep(0.05)
        finally:
            process.kill()
    return dict(line.split() for line in told.read_text().splitlines())


def test_every_console_that_is_there_has_a_shell_that_ctrl_c_reaches(tmp_path: Path, programs: Path) -> None:
    found = served(tmp_path, programs, "quiet console=null console=ttyNONE console=zero,115200n8 consoleblank=0\n", 3)
    assert sorted(found) == ["control", "null", "zero"]
    assert [int(found[device], 16) & DEAF for device in ("null", "zero")] == [0, 0]


@pytest.mark.parametrize("screen", ["tty0", "tty1"])
def test_a_screen_with_the_status_page_has_its_shell_on_the_second_terminal(tmp_path: Path, programs: Path, screen: str) -> None:
    (tmp_path / "page").touch()
    assert sorted(served(tmp_path, programs, f"console={screen} console=null\n", 3)) == ["control", "null", "tty2"]
