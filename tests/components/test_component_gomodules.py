"""Go's module cache holds each module once."""

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from builder.components import gomodules
from builder.components.gomodules import at_work, settle

LINE = b"package greet\n"


def module(modules: Path, path: str, version: str, files: int) -> tuple[Path, Path]:
    """The archive and the unpacked folder of a module of so many small files."""
    archive = modules / "cache" / "download" / path / "@v" / f"{version}.zip"
    folder = modules / f"{path}@{version}"
    archive.parent.mkdir(parents=True)
    folder.mkdir(parents=True)
    with ZipFile(archive, "w") as made:
        for number in range(files):
            made.writestr(f"{path}@{version}/{number}.go", LINE)
            (folder / f"{number}.go").write_bytes(LINE)
    archive.with_suffix(".ziphash").write_text("h1:")
    return archive, folder


@pytest.mark.parametrize("version", ["v1.0.0", "v2.0.0+incompatible"])
def test_a_small_module_stays_as_its_files(tmp_path: Path, version: str) -> None:
    archive, folder = module(tmp_path, "example.test/!greet", version, 3)
    settle(tmp_path)
    assert not archive.exists()
    assert archive.with_suffix(".ziphash").exists()
    assert len(list(folder.iterdir())) == 3


def test_a_large_module_stays_as_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gomodules, "LARGE", 10 * len(LINE))
    small, small_folder = module(tmp_path, "example.test/small", "v1.0.0", 10)
    large, large_folder = module(tmp_path, "example.test/large/v2", "v2.0.0", 11)
    settle(tmp_path)
    assert (small.exists(), small_folder.exists()) == (False, True)
    assert (large.exists(), large_folder.exists()) == (True, False)


def test_a_module_of_a_program_that_is_worked_on_stays_as_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gomodules, "LARGE", 10 * len(LINE))
    monkeypatch.setattr(gomodules, "LARGE_AT_WORK", 20 * len(LINE))
    own = tmp_path / "pkg" / "own"
    own.mkdir(parents=True)
    (own / "go.sum").write_text(
        "example.test/Greet v1.0.0 h1:a=\nexample.test/Greet v1.0.0/go.mod h1:b=\nexample.test/huge v1.0.0 h1:c=\n"
        "example.test/unused v1.0.0/go.mod h1:d=\n"
    )
    assert at_work(own) == (), "it only has pins"
    (own / "main.go").write_text("package main\n")
    greet, greet_folder = module(tmp_path, "example.test/!greet", "v1.0.0", 11)
    huge, huge_folder = module(tmp_path, "example.test/huge", "v1.0.0", 21)
    unused, unused_folder = module(tmp_path, "example.test/unused", "v1.0.0", 11)
    for _ in range(2):
        settle(tmp_path, at_work(own))
        assert (greet.exists(), greet_folder.exists()) == (False, True)
        assert (huge.exists(), huge_folder.exists()) == (True, False)
        assert (unused.exists(), unused_folder.exists()) == (True, False)


def test_an_archive_that_broke_off_goes(tmp_path: Path) -> None:
    archive, _ = module(tmp_path, "example.test/greet", "v1.0.0", 3)
    archive.write_bytes(archive.read_bytes()[:40])
    settle(tmp_path)
    assert not archive.exists()


def test_a_broken_archive_that_was_never_unpacked_goes(tmp_path: Path) -> None:
    archive, folder = module(tmp_path, "example.test/greet", "v1.0.0", 3)
    archive.write_bytes(archive.read_bytes()[:40])
    shutil.rmtree(folder)
    settle(tmp_path)
    assert not archive.exists()
