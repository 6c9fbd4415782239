"""The node's swap file, made on a disk that may be full, absent, or lose its power."""

import os
import subprocess
from pathlib import Path

import pytest

from builder.project import Project

SCRIPT = Project.here().pkg / "swap" / "files" / "usr" / "bin" / "swap.sh"
SIZE = 1 << 20
PROGRAMS = {
    "swapon": '#!/bin/sh\n[ ! -e "$HOME/damaged" ] && echo "$1" >>"$HOME/on"\n',
    "fallocate": '#!/bin/sh\n[ -e "$HOME/full" ] && { printf x >"$3"; exit 1; }\ntruncate -s "$2" "$3"\n',
    "mkswap": '#!/bin/sh\n[ -e "$HOME/cut" ] && kill -9 "$PPID"\nprintf SWAP | dd of="$1" conv=notrunc 2>/dev/null\n',
}


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """What stands for /var, with programs that keep to the rules of the node's own."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "var").mkdir()
    return tmp_path


def swap(node: Path, size: int = SIZE, kind: str = "ext4") -> "subprocess.CompletedProcess[str]":
    (node / "mounts").write_text(f"proc /proc proc rw 0 0\ntmpfs {node}/var tmpfs rw 0 0\nx {node}/var {kind} rw 0 0\n")
    given = {"FILE": f"{node}/var/swap", "MOUNTS": f"{node}/mounts", "HOME": str(node), "PATH": f"{node}:{os.environ['PATH']}"}
    return subprocess.run(["sh", SCRIPT, str(size)], env=given, capture_output=True, text=True, check=False, timeout=30)


def left(node: Path) -> list[str]:
    return sorted(path.name for path in (node / "var").iterdir())


def test_a_swap_file_is_made_once_and_for_root_alone(node: Path) -> None:
    assert (swap(node).stdout, (node / "on").read_text()) == (f"{SIZE} bytes\n", f"{node}/var/swap\n")
    file = node / "var/swap"
    made = file.stat()
    assert (made.st_size, made.st_mode & 0o777, file.read_bytes()[:4]) == (SIZE, 0o600, b"SWAP")
    assert swap(node).returncode == 0 and file.stat().st_ino == made.st_ino
    assert swap(node, 2 * SIZE).returncode == 0 and file.stat().st_size == 2 * SIZE, "another recipe"


def test_without_a_state_disk_there_is_none(node: Path) -> None:
    done = swap(node, kind="tmpfs")
    assert (done.returncode, done.stdout, left(node)) == (0, "no swap: the node has no state disk\n", [])


def test_a_full_disk_goes_without(node: Path) -> None:
    (node / "full").touch()
    done = swap(node)
    assert done.returncode == 1 and "no room on the state disk" in done.stdout and left(node) == []


def test_one_that_a_power_cut_left_half_made_is_made_anew(node: Path) -> None:
    (node / "cut").touch()
    assert swap(node).returncode == -9 and left(node) == ["swap.new"]
    (node / "cut").unlink()
    assert swap(node).returncode == 0 and left(node) == ["swap"]


def test_a_damaged_one_goes_and_the_next_boot_makes_it(node: Path) -> None:
    (node / "var/swap").write_bytes(bytes(SIZE))
    (node / "damaged").touch()
    assert swap(node).returncode == 1 and left(node) == []
    (node / "damaged").unlink()
    assert swap(node).returncode == 0 and left(node) == ["swap"]
