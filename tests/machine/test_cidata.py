"""The metadata volume, read back with xorriso."""

import os
import stat
from pathlib import Path

import pytest

from builder.errors import BuildError, InputError
from builder.machine.cidata import make_cidata
from builder.run import run

FILES = {
    "meta-data": b"local-hostname: a\n",
    "user-data": b"",
    "network-config": "é\n".encode() * 5000,
    "config": bytes(range(256)),
}


def extracted(image: Path, folder: Path) -> dict[str, bytes]:
    run(["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", folder])
    run(["chmod", "-R", "u+w", folder])
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_are_on_the_volume(tmp_path: Path) -> None:
    make_cidata(FILES, tmp_path / "cidata.img")
    assert extracted(tmp_path / "cidata.img", tmp_path / "files") == FILES


def test_the_label_is_cidata(tmp_path: Path) -> None:
    make_cidata(FILES, tmp_path / "cidata.img")
    descriptor = (tmp_path / "cidata.img").read_bytes()[16 * 2048 :]
    assert descriptor.startswith(b"\x01CD001\x01")  # ECMA-119, section 8.4
    assert descriptor[40:72] == b"cidata".ljust(32)


def test_the_same_files_give_the_same_bits(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_cidata(dict(sorted(FILES.items(), reverse=name == "two")), tmp_path / name)
        os.utime(tmp_path)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_volume_is_small_whole_sectors_and_its_owner_s_alone(tmp_path: Path) -> None:
    make_cidata({"meta-data": b"x"}, tmp_path / "cidata.img")
    status = (tmp_path / "cidata.img").stat()
    assert status.st_size % 2048 == 0
    assert status.st_size <= 128 * 1024
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_an_older_volume_is_replaced_and_nothing_is_left_beside(tmp_path: Path) -> None:
    for text in (b"old", b"new"):
        make_cidata({"meta-data": text}, tmp_path / "cidata.img")
    assert extracted(tmp_path / "cidata.img", tmp_path / "files") == {"meta-data": b"new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cidata.img", "files"]


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is no name of a file"):
        make_cidata({name: b""}, tmp_path / "cidata.img")
    assert not list(tmp_path.iterdir())


def test_after_a_failure_the_older_volume_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cidata({"meta-data": b"old"}, tmp_path / "cidata.img")
    before = (tmp_path / "cidata.img").read_bytes()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "xorriso").write_text("#!/bin/sh\necho full >&2\nexit 5\n")
    (tmp_path / "bin" / "xorriso").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(BuildError, match="exit code 5"):
        make_cidata({"meta-data": b"new"}, tmp_path / "cidata.img")
    assert (tmp_path / "cidata.img").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "cidata.img"]
