"""How Docker's daemon is told of the OCI runtimes that handlers add, and of a proxy."""

import subprocess
from pathlib import Path

from builder.project import Project

SCRIPT = Project.here().pkg / "dockerd" / "files" / "usr" / "bin" / "dockerd.sh"


def told(tmp_path: Path, folder: str) -> list[str]:
    """What is run, with the runtimes below a folder of tmp_path."""
    nsenter = tmp_path / "nsenter"
    nsenter.write_text('#!/bin/sh\nprintf "%s\\n" "$@" ${HTTPS_PROXY:+"$HTTPS_PROXY past $NO_PROXY"}\n')
    nsenter.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin", "RUNTIMES": str(tmp_path / folder), "NSENTER": str(nsenter),
        "ENVIRONMENT": str(tmp_path / "environment.d"),
    }  # fmt: skip
    done = subprocess.run(["sh", SCRIPT, "--debug"], env=environment, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.splitlines()


DOCKERD = ["-t", "1", "-m", "--", "/usr/bin/dockerd", "--debug"]


def test_each_file_is_a_runtime(tmp_path: Path) -> None:
    folder = tmp_path / "runtimes"
    folder.mkdir()
    (folder / "crun").write_text("/usr/bin/crun\n")
    (folder / "youki").write_text("/usr/bin/youki")
    crun, youki = "crun=/usr/bin/crun", "youki=/usr/bin/youki"
    assert told(tmp_path, "runtimes") == [*DOCKERD, "--add-runtime", crun, "--add-runtime", youki]


def test_without_any_docker_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert told(tmp_path, "empty") == DOCKERD
    assert told(tmp_path, "none") == DOCKERD


def test_the_proxy_is_docker_s_too(tmp_path: Path) -> None:
    (tmp_path / "environment.d").mkdir()
    (tmp_path / "environment.d/50-proxy.conf").write_text("HTTPS_PROXY=http://u:p%40@proxy:3128\nNO_PROXY=.svc,10.0.0.0/8,*.x\n")
    assert told(tmp_path, "none") == [*DOCKERD, "http://u:p%40@proxy:3128 past .svc,10.0.0.0/8,*.x"]
