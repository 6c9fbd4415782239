"""The one program of Kubernetes is, by each of its names, what the program of that name is when it stands alone."""

import subprocess
from pathlib import Path

import pytest

from builder.components.registry import find
from builder.components.source import Target
from builder.pipeline.kubernetes import chosen_version
from builder.project import Project
from builder.store import Store

pytestmark = pytest.mark.network

NAMES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet")
VERSION = {"kubeadm": ("version", "-o", "short"), "kubectl": ("version", "--client")}
OF_THE_KUBELET = "--storage-driver-password"  # one of cAdvisor's, which are in a global set


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a link for each name."""
    folder, store, project = tmp_path_factory.mktemp("programs"), Store(), Project.here()
    files = find("kubernetes", store, project, target=Target(kubernetes=chosen_version(project, None))).files
    assert len({files[name] for name in NAMES}) == 1
    for name in (*NAMES, "other"):
        (folder / name).symlink_to(store.path(files[NAMES[0]]))
    return folder


def said(program: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_its_version_and_its_flags(programs: Path, name: str) -> None:
    version = chosen_version(Project.here(), None)
    code, text = said(programs / name, *VERSION.get(name, ("--version",)))
    assert (code, f"v{version}" in text) == (0, True), text
    code, text = said(programs / name, *(("options",) if name == "kubectl" else ("--help",)))
    assert code == 0 and "--" in text
    assert (OF_THE_KUBELET in text) == (name == "kubelet")


@pytest.mark.parametrize("name", ["kubeadm", "kubectl"])
def test_clients_have_no_flag_of_servers(programs: Path, name: str) -> None:
    code, text = said(programs / name, "--version")
    assert (code, "unknown flag: --version" in text) == (1, True)


def test_by_any_other_name_it_tells_its_names(programs: Path) -> None:
    code, text = said(programs / "other")
    assert (code, text) == (2, f"other: call this program by one of its names: {', '.join(NAMES)}\n")
