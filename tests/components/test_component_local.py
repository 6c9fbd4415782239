"""The user's own files in place of a component, or of one file of it."""

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from component_samples import PROGRAM, blobs, project, toy

from builder.components import golang
from builder.components.registry import check_overrides, find
from builder.errors import BuildError, InputError
from builder.project import Project
from builder.store import Store, sha256

ONE = PROGRAM + b"one"
TWO = b"#!/bin/sh\necho two\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def pair(tmp_path: Path) -> Project:
    """A component of two files."""
    return project(tmp_path / "project", pair={"version": "1.0.0", "golang": {"packages": {"one": "./one", "two": "./two"}}})


def write(directory: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def archive(path: Path, mode: Any, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, mode) as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def test_a_directory(pair: Project, store: Store, tmp_path: Path) -> None:
    given = write(tmp_path / "given", {"bin/one": ONE, "two": TWO, "README": b"text"})
    found = find("pair", store, pair, {"pair": given})
    assert (found.version, found.source) == ("1.0.0", "local")
    assert {name: store.read(digest) for name, digest in found.files.items()} == {"one": ONE, "two": TWO}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive(pair: Project, store: Store, tmp_path: Path, mode: str) -> None:
    given = archive(tmp_path / "given", mode, {"x/bin/one": ONE, "x/bin/two": TWO, "x/LICENSE": b"text"})
    assert find("pair", store, pair, {"pair": given}).files == {"one": sha256(ONE), "two": sha256(TWO)}


def test_a_zstd_archive(pair: Project, store: Store, tmp_path: Path) -> None:
    plain = archive(tmp_path / "plain", "w", {"./one": ONE, "./two": TWO})
    subprocess.run(["zstd", "-q", plain, "-o", tmp_path / "given"], check=True)
    assert find("pair", store, pair, {"pair": tmp_path / "given"}).files == {"one": sha256(ONE), "two": sha256(TWO)}


def test_a_broken_archive(pair: Project, store: Store, tmp_path: Path) -> None:
    given = archive(tmp_path / "given", "w:gz", {"one": ONE * 10_000, "two": TWO})
    given.write_bytes(given.read_bytes()[:-40])
    with pytest.raises(InputError, match="the archive can't be read"):
        find("pair", store, pair, {"pair": given})


def test_a_single_file_under_any_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(ONE)
    assert find("toy", store, toy(tmp_path / "project"), {"toy": tmp_path / "mine"}).files == {"toy": sha256(ONE)}


def test_every_file_by_itself(pair: Project, store: Store, tmp_path: Path) -> None:
    given = write(tmp_path, {"a": ONE, "b": TWO})
    found = find("pair", store, pair, {"pair/one": given / "a", "pair/two": given / "b"})
    assert found.source == "local" and found.files == {"one": sha256(ONE), "two": sha256(TWO)}


def test_one_file_over_another_source(pair: Project, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = {"one": store.put(b"built one"), "two": store.put(b"built two")}
    monkeypatch.setattr(golang.Golang, "recall", lambda _self, _request: built)
    found = find("pair", store, pair, {"pair/two": write(tmp_path, {"two": TWO}) / "two"})
    assert found.source == "golang+local" and found.files == {"one": built["one"], "two": sha256(TWO)}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"one": ONE}, "missing two"),
        ({"readme": b"text"}, "missing one, two"),
        ({"one": ONE, "two": TWO, "old/two": TWO}, "two is there 2 times"),
        ({"one": ONE, "two": b"just text"}, "neither an ELF file nor a script"),
        ({"one": ONE, "two": PROGRAM[:18] + b"\xb7\x00"}, "for another machine"),
    ],
)
def test_what_is_wrong_with_a_directory_or_an_archive(
    pair: Project, store: Store, tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    for given in (write(tmp_path / "given", files), archive(tmp_path / "given.tar.gz", "w:gz", files)):
        with pytest.raises(InputError, match=said) as raised:
            find("pair", store, pair, {"pair": given})
        assert f"pair={given}" in raised.value.what and raised.value.exit_code == 2


def test_one_file_for_a_component_of_two(pair: Project, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing two[\s\S]*--component pair/FILE=PATH"):
        find("pair", store, pair, {"pair": write(tmp_path, {"one": ONE}) / "one"})


@pytest.mark.parametrize(
    ("key", "said"), [("pair", "no such file or directory"), ("pair/one", "no such file"), ("pair/three", "has no file three")]
)
def test_paths_and_files_that_do_not_exist(pair: Project, store: Store, tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        find("pair", store, pair, {key: tmp_path / "nowhere"})
    assert blobs(store) == []


def test_only_the_users_own_files(pair: Project, store: Store) -> None:
    with pytest.raises(BuildError, match="local: no --component pair=PATH was given"):
        find("pair", store, pair, source="local")


def test_mistakes_of_all_overrides_are_told_together(pair: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        check_overrides({"pear": tmp_path, "pair": tmp_path / "nowhere", "pair/one": tmp_path}, pair)
    assert raised.value.details == (
        "pear: there is no component pear; did you mean 'pair'?", f"pair: {tmp_path / 'nowhere'} does not exist",
    )  # fmt: skip
