"""A node's disk: what mke2fs makes of it, and what is refused."""

import re
import shutil
import stat
import uuid
from collections import namedtuple
from pathlib import Path

import pytest

from builder.errors import BuildError, InputError
from builder.machine import disk
from builder.machine.disk import LABEL, SMALLEST, make_state_disk
from builder.run import Completed, run

Usage = namedtuple("Usage", "total used free")
WISH_GO = Path(__file__).parents[2] / "pkg" / "state" / "wish.go"


def told(path: Path) -> dict[str, str]:
    """What dumpe2fs tells of the superblock."""
    lines = run(["dumpe2fs", "-h", path]).stdout.splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_a_disk_is_a_clean_labelled_file_system_that_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "state.img"
    make_state_disk(path, 20 << 10)
    about = told(path)
    assert about["Filesystem volume name"] == LABEL
    assert about["Filesystem state"] == "clean"
    assert "has_journal" in about["Filesystem features"]
    assert int(about["Block count"]) * int(about["Block size"]) == path.stat().st_size == 20 << 30
    assert about["Reserved block count"] == "0"
    assert path.stat().st_blocks * 512 < 64 << 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert run(["e2fsck", "-n", "-f", path]).code == 0


def test_a_disk_may_have_an_identity_of_its_own(tmp_path: Path) -> None:
    identity = uuid.uuid4()
    make_state_disk(tmp_path / "state.img", SMALLEST, identity)
    assert told(tmp_path / "state.img")["Filesystem UUID"] == str(identity)


def test_its_root_is_root_s_whoever_makes_it(tmp_path: Path) -> None:
    make_state_disk(tmp_path / "state.img", SMALLEST)
    listed = run(["debugfs", "-R", "stat /", tmp_path / "state.img"]).stdout
    assert "User:     0   Group:     0" in listed


def test_node_and_host_look_for_the_same_label() -> None:
    assert re.search(rf'usual += "{LABEL}"', WISH_GO.read_text())


def test_a_disk_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.img"
    path.write_text("state")
    with pytest.raises(InputError, match="exists already"):
        make_state_disk(path, SMALLEST)
    assert path.read_text() == "state"


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1023 MiB is too small"):
        make_state_disk(tmp_path / "state.img", SMALLEST - 1)
    assert not list(tmp_path.iterdir())


def test_a_host_without_room_for_the_least_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, (SMALLEST << 20) - 1))
    with pytest.raises(InputError, match="no room") as caught:
        make_state_disk(tmp_path / "state.img", SMALLEST)
    assert "1023 MiB are free" in caught.value.why
    assert not list(tmp_path.iterdir())


def test_half_a_disk_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Completed:
        raise BuildError("mke2fs ended with exit code 1")

    monkeypatch.setattr(disk, "run", fail)
    with pytest.raises(BuildError):
        make_state_disk(tmp_path / "state.img", SMALLEST)
    assert not list(tmp_path.iterdir())
