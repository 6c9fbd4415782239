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


def test_every_console_that_is_there_has_a_shell_that_ctrl_c_reaches(tmp_path: Path, programs: Path) -> None:
    told = tmp_path / "told"
    (tmp_path / "cmdline").write_text("quiet console=null console=ttyNONE console=zero,115200n8 consoleblank=0\n")
    argv = [  # in a namespace of processes too: with the first all end
        *private_mounts(), "--pid", "--fork", "--kill-child", "sh", "-c", 'mount --bind "$1" /proc/cmdline && exec sh "$2"', "sh",
        str(tmp_path / "cmdline"), str(SCRIPTS / "consoles.sh"),
    ]  # fmt: skip
    environment = {"PATH": f"{programs}:/usr/bin:/bin:/usr/sbin", "TOLD": str(told)}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as served:
        try:
            end = time.monotonic() + 20
            while not told.exists() or len(told.read_text().splitlines()) < 3:
                assert time.monotonic() < end, told.read_text() if told.exists() else "nobody is served"
                time.sleep(0.05)
        finally:
            served.kill()
    found = dict(line.split() for line in told.read_text().splitlines())
    assert sorted(found) == ["control", "null", "zero"]
    assert [int(found[device], 16) & DEAF for device in ("null", "zero")] == [0, 0]
