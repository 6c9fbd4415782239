"""The node's sysctl step, with the sysctl of a kernel that does not take everything."""

import os
import subprocess
from pathlib import Path

import pytest

from builder.project import Project

SCRIPT = Project.here().pkg / "sysctl" / "files" / "usr" / "bin" / "apply-sysctl.sh"
SYSCTL = """#!/bin/sh
case $3 in *refused*) echo "sysctl: $3: No such file or directory" >&2; exit 1 ;; esac
echo "$3" >>"$TAKEN"
"""


@pytest.mark.parametrize("refused", [False, True])
def test_a_key_that_the_kernel_does_not_take_is_told_and_stops_nothing(tmp_path: Path, refused: bool) -> None:
    for name, text in (("sysctl", SYSCTL), ("mount", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    folder = tmp_path / "sysctl.d"
    folder.mkdir()
    (folder / "10-a.conf").write_text("# ours\n; too\n\n  net.a = 1\n" + "net.refused = 7\n" * refused + "net.b=1 2\t3")
    (folder / "20-b.conf").write_text("net.c = *\n")
    taken = tmp_path / "taken"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TAKEN": str(taken)}
    done = subprocess.run(["sh", SCRIPT, folder], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert taken.read_text().splitlines() == ["net.a=1", "net.b=1 2 3", "net.c=*"]
    assert done.stdout == ("the kernel does not take: net.refused\n" if refused else "")
    assert ("10-a.conf: net.refused = 7: sysctl: net.refused=7: No such file" in done.stderr) is refused
