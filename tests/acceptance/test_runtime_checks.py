"""What a description proves of its container runtime (checks A4.x), run here against programs that stand for the node's."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from builder.project import Project

RUNTIMES = Project.here().folder("runtimes")
HEALTHY = {
    "version": "Client:\n  Version:  v2.3.4\n\nServer:\n  Version:  v2.3.4\n  Revision: x\n  UUID: y\n",
    "plugins": "TYPE ID PLATFORMS STATUS\nio.containerd.cri.v1 images - ok\nio.containerd.cri.v1 runtime linux/amd64 ok\n",
    "crictl": "RuntimeReady true\nNetworkReady false\nContainerdHasNoDeprecationWarnings true\n",
}
# Stands for ctr, and for crictl that is run through it; what a file FAILS has goes to standard error with exit code 1.
CTR = """#!/bin/sh
case "$*" in *crictl*) name=crictl ;; version*) name=version ;; plugins*) name=plugins ;; *) exit 64 ;; esac
cat {folder}/$name
[ ! -e {folder}/fails ] || exit 1
"""


def checks(runtime: str) -> dict[str, str]:
    described = yaml.safe_load((RUNTIMES / f"{runtime}.yml").read_text())
    return {check["name"]: check["command"] for check in described["checks"]}


CONTAINERD = checks("cri-containerd")
ANSWERS, LOADED, READY = CONTAINERD


def code(folder: Path, command: str, told: Mapping[str, str] = MappingProxyType({}), *, fails: bool = False) -> int:
    """The command's exit code where ctr tells this, and all else as it should."""
    for name, text in {**HEALTHY, **told}.items():
        (folder / name).write_text(text)
    (folder / "ctr").write_text(CTR.format(folder=folder))
    (folder / "ctr").chmod(0o755)
    (folder / "fails").unlink(missing_ok=True)
    if fails:
        (folder / "fails").touch()
    return subprocess.run(["sh", "-c", command], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=False).returncode


@pytest.mark.parametrize("name", CONTAINERD)
def test_a_runtime_that_is_well(tmp_path: Path, name: str) -> None:
    assert code(tmp_path, CONTAINERD[name]) == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (ANSWERS, {"version": "Client:\n  Version:  v2.3.4\n"}),
        (ANSWERS, {"version": "Client:\n  Version:  v2.3.4\n\nServer:\n"}),
        (ANSWERS, {"version": ""}),
        (LOADED, {"plugins": HEALTHY["plugins"].replace("amd64 ok", "amd64 error")}),
        (LOADED, {"plugins": HEALTHY["plugins"].replace("amd64 ok", "amd64 skip")}),
        (LOADED, {"plugins": HEALTHY["plugins"].replace(" runtime ", " other ")}),
        (LOADED, {"plugins": ""}),
        (READY, {"crictl": HEALTHY["crictl"].replace("RuntimeReady true", "RuntimeReady false")}),
        (READY, {"crictl": "NetworkReady true\n"}),
        (READY, {"crictl": "NotRuntimeReady true\nRuntimeReady true?\n"}),
        (READY, {"crictl": ""}),
    ],
)
def test_a_runtime_that_is_not(tmp_path: Path, name: str, told: dict[str, str]) -> None:
    assert code(tmp_path, CONTAINERD[name], told) != 0


@pytest.mark.parametrize("name", CONTAINERD)
def test_a_runtime_that_nobody_reaches(tmp_path: Path, name: str) -> None:
    nothing = dict.fromkeys(HEALTHY, "")
    assert code(tmp_path, CONTAINERD[name], nothing, fails=True) != 0


@pytest.mark.parametrize("path", sorted(RUNTIMES.glob("*.yml")), ids=lambda path: path.stem)
def test_each_runtime_has_something_to_prove(path: Path) -> None:
    """One without a check would pass every A4 there is: none."""
    assert checks(path.stem)


EVERY = [(path.stem, name) for path in sorted(RUNTIMES.glob("*.yml")) for name in checks(path.stem)]


@pytest.mark.parametrize("ends_with", ["127", "1", "0"], ids=["absent", "failing", "silent"])
@pytest.mark.parametrize(("runtime", "name"), EVERY)
def test_no_check_of_any_runtime_passes_on_silence(tmp_path: Path, runtime: str, name: str, ends_with: str) -> None:
    for program in ("ctr", "crictl", "docker", "crio") if ends_with != "127" else ():
        (tmp_path / program).write_text(f"#!/bin/sh\nexit {ends_with}\n")
        (tmp_path / program).chmod(0o755)
    told = subprocess.run(["sh", "-c", checks(runtime)[name]], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert told.returncode != 0


@pytest.mark.parametrize(
    ("runtime", "program", "name", "told", "well"),
    [
        ("docker", "docker", "Docker answers", "29.8.0 with API 1.52", True),
        ("docker", "docker", "Docker answers", " with API ", False),
        ("docker", "docker", "Docker has the images that the node brings", "registry.k8s.io/pause:3.10.2", True),
        ("docker", "docker", "Docker has the images that the node brings", "docker.io/x/pause:3.10.2", False),
        ("cri-o", "ctr", "CRI-O answers", "Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  1.36.0", True),
        ("cri-o", "ctr", "CRI-O answers", "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  1.36.0", False),
        ("cri-o", "ctr", "CRI-O answers", "RuntimeName:  cri-o", False),
        ("cri-o", "ctr", "the images in the node's root are there", "IMAGE TAG\nregistry.k8s.io/pause 3.10", True),
        ("cri-o", "ctr", "the images in the node's root are there", "IMAGE TAG", False),
        ("cri-o", "ctr", "the images in the node's root are there", "IMAGE TAG\nregistry.k8s.io/etcd 3.6", False),
    ],
)
def test_what_a_runtime_tells(tmp_path: Path, runtime: str, program: str, name: str, told: str, *, well: bool) -> None:
    (tmp_path / program).write_text(f"#!/bin/sh\nprintf '%s\\n' '{told}'\n")
    (tmp_path / program).chmod(0o755)
    done = subprocess.run(["sh", "-c", checks(runtime)[name]], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert (done.returncode == 0) is well
