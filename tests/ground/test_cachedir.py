"""Nothing becomes kubeiso's cache, or is emptied as such, that is not."""

import errno
from pathlib import Path

import pytest

from builder.cachedir import TAG, is_ours
from builder.errors import InputError
from builder.store import Store, sha256


def content(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_new_or_empty_folder_becomes_the_cache(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "deep/new", "empty"):
        Store(tmp_path / name)
        assert is_ours(tmp_path / name)
        assert (tmp_path / name / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
        Store(tmp_path / name).put(b"used again")


def test_others_read_nothing_of_it(tmp_path: Path) -> None:
    """Images in it hold what a recipe has as its secrets."""
    Store(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o2775)
    for _ in range(2):
        Store(tmp_path / "shared")
        assert (tmp_path / "shared").stat().st_mode & 0o7777 == 0o2770, "a group may share one"
        (tmp_path / "shared").chmod(0o2775)


def test_a_cache_on_a_disk_that_nobody_writes_to_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Store(tmp_path / "c").put(b"found")

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (tmp_path / "c").chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refused)
    assert Store(tmp_path / "c").read(found) == b"found"


HOMES = {
    "a home": ("thesis.odt", "tmp/notes", "results/2025.csv"),
    "names of ours": ("blobs/photo.jpg", "results/2025.json", "locks/key", "tmp/notes", "scratch/idea"),
    "names of ours, and blobs that are none": ("blobs/sha256/photo.jpg", "results/a.json", "locks/key", "tmp/x", "scratch/idea"),
    "names of ours and one more": ("blobs/sha256/" + "0" * 64, "results/a.json", "locks/key", "tmp/x", "scratch/x", "thesis.odt"),
    "another program's cache": (TAG, "data"),
    "one file": ("thesis.odt",),
}


@pytest.mark.parametrize("what", HOMES)
def test_a_folder_of_the_user_s_is_left_alone(tmp_path: Path, what: str) -> None:
    for name in HOMES[what]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    with pytest.raises(InputError, match="is not kubeiso's, and can't be its cache") as caught:
        Store(tmp_path).clean(everything=True)
    assert caught.value.why.startswith("it holds ") and "KUBEISO_CACHE" in caught.value.hint
    assert content(tmp_path) == set(HOMES[what])


@pytest.mark.parametrize("version", ["before notes", "with notes"])
def test_the_cache_of_an_older_version_goes_on(tmp_path: Path, version: str) -> None:
    store = Store(tmp_path)
    digest = store.put(b"made by an older version")
    store.remember("key", {"layer": digest})
    (tmp_path / TAG).unlink()
    if version == "before notes":
        (tmp_path / "known" / digest[7:]).unlink()
        (tmp_path / "known").rmdir()
    assert Store(tmp_path).recall("key") == {"layer": digest}
    assert is_ours(tmp_path)


def test_a_tag_that_is_only_being_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / f".{TAG}.0123456789abcdef.part").touch()
    Store(tmp_path)
    assert is_ours(tmp_path)


def test_clean_removes_nothing_of_another_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(b"x")
    mine = ("blobs/sha256/notes", "results/list.csv", "tmp/idea", "scratch/mine/file", "notes")
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    store.clean(everything=True)
    assert content(tmp_path) == {*mine, TAG}
    assert not store.has(sha256(b"x"))
