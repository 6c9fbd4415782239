"""How Docker's daemon is told of the OCI runtimes that handlers add."""

import subprocess
from pathlib import Path

from builder.project import Project

SCRIPT = Project.here().pkg / "docker" / "files" / "usr" / "bin" / "dockerd.sh"


def told(folder: Path) -> list[str]:
    """The arguments that dockerd gets."""
    environment = {"PATH": "/usr/bin:/bin", "RUNTIMES": str(folder), "DOCKERD": "/usr/bin/printf"}
    done = subprocess.run(
        ["sh", SCRIPT, "%s\\n", "--debug"], env=environment, capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.splitlines()


def test_each_file_is_a_runtime(tmp_path: Path) -> None:
    (tmp_path / "crun").write_text("/usr/bin/crun\n")
    (tmp_path / "youki").write_text("/usr/bin/youki")
    assert told(tmp_path) == ["--debug", "--add-runtime", "crun=/usr/bin/crun", "--add-runtime", "youki=/usr/bin/youki"]


def test_without_any_docker_has_its_own(tmp_path: Path) -> None:
    assert told(tmp_path) == ["--debug"]
    assert told(tmp_path / "none") == ["--debug"]
