"""pkg/var-files puts what lies in the image in its place below /var, whatever is there already."""

import shutil
from pathlib import Path

import pytest

from builder.project import Project
from builder.run import run

SCRIPT = Project.here().pkg / "var-files" / "files" / "usr" / "bin" / "var-files.sh"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made = tmp_path / "image"
    (made / "lib" / "kubeadm" / "with space").mkdir(parents=True)
    (made / "lib" / "kubeadm").chmod(0o755)
    (made / "lib" / "kubeadm" / "with space").chmod(0o700)
    for name, mode in (("lib/kubeadm/policy.yaml", 0o600), ("lib/kubeadm/with space/-n", 0o755)):
        (made / name).write_text("new\n")
        (made / name).chmod(mode)
    (made / "lib" / "link").symlink_to("/etc/motd")
    return made


def put(image: Path, var: Path) -> None:
    run(["sh", SCRIPT, image, var])


def state(root: Path) -> dict[str, str]:
    """Each path with its mode, and with what it holds."""
    return {
        path.relative_to(root).as_posix(): f"{path.lstat().st_mode & 0o7777:o} "
        + (f"-> {path.readlink()}" if path.is_symlink() else "" if path.is_dir() else path.read_text().strip())
        for path in sorted(root.rglob("*"))
    }


def test_an_empty_var_gets_all_of_it(image: Path, tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    put(image, var)
    assert state(var) == state(image)
    assert state(var)["lib/kubeadm/with space"] == "700 "


def test_again_gives_the_same_and_an_older_file_gives_way(image: Path, tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "lib" / "kubeadm").mkdir(parents=True)
    (var / "lib" / "kubeadm").chmod(0o711)
    (var / "lib" / "kubeadm" / "policy.yaml").write_text("old\n")
    (var / "lib" / "kubeadm" / "admin.conf").write_text("kept\n")
    (var / "lib" / "link").symlink_to("/elsewhere")
    put(image, var)
    put(image, var)
    found = state(var)
    assert found["lib/kubeadm/policy.yaml"] == "600 new"
    assert found["lib/kubeadm/admin.conf"].endswith("kept")
    assert found["lib/link"].endswith("-> /etc/motd")
    assert found["lib/kubeadm"] == "711 "
    assert len(found) == len(state(image)) + 1


def test_a_folder_in_the_place_of_a_file_is_told(image: Path, tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "lib" / "kubeadm" / "policy.yaml").mkdir(parents=True)
    program = shutil.which("sh")
    assert program
    ended = run([program, SCRIPT, image, var], check=False)
    assert ended.code != 0
    assert "policy.yaml is a folder" in ended.stderr
