"""What the store hands out is whole, whatever happened to this machine meanwhile."""

import hashlib
from pathlib import Path

import pytest

from builder import progress, whole
from builder.store import Digest, Store, sha256

CONTENT = b"content of a blob " * 1000


class Later:
    """The same store after further boots of this machine."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root, self._patch, self._boots = root, monkeypatch, 0

    def reboot(self) -> Store:
        self._boots += 1
        self._patch.setattr("builder.store.boot_id", lambda: f"boot-{self._boots}")
        return Store(self._root)


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Later:
    return Later(tmp_path / "store", monkeypatch)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content was looked at."""
    seen: list[str] = []
    real = whole._sha256

    def watched(file: Path) -> str:
        seen.append(file.name)
        return real(file)

    monkeypatch.setattr(whole, "_sha256", watched)
    return seen


def damage(store: Store, digest: Digest, content: bytes) -> None:
    path = store.path(digest)
    path.chmod(0o755)
    path.write_bytes(content)


LOST = {
    "all": b"",
    "its tail": CONTENT[:-1],
    "half": CONTENT[: len(CONTENT) // 2],
    "some, with zeros instead": bytes(len(CONTENT)),
}


@pytest.mark.parametrize("lost", LOST)
def test_a_blob_that_lost_its_content_in_a_power_cut_is_none(later: Later, lost: str) -> None:
    store = later.reboot()
    digest = store.put(CONTENT)
    store.remember("key", {"layer": digest})
    damage(store, digest, LOST[lost])
    store = later.reboot()
    assert not store.has(digest)
    assert store.recall("key") is None
    assert store.once("key", lambda: {"layer": store.put(CONTENT)}) == {"layer": digest}
    assert store.read(digest) == CONTENT
    assert later.reboot().has(digest)


@pytest.mark.parametrize("lost", ["all", "its tail"])
def test_a_blob_that_is_shortened_is_seen_in_the_same_run(later: Later, lost: str) -> None:
    store = later.reboot()
    digest = store.put(CONTENT)
    assert store.has(digest)
    damage(store, digest, LOST[lost])
    assert not store.has(digest)
    assert not Store(store.root).has(digest)
    assert store.put(CONTENT) == digest
    assert store.has(digest) and store.read(digest) == CONTENT


def test_the_right_content_heals_by_whatever_way_it_comes(later: Later, tmp_path: Path) -> None:
    store = later.reboot()
    digest = store.put(CONTENT)
    for number in range(3):
        damage(store, digest, b"")
        (tmp_path / "file").write_bytes(CONTENT)
        if number == 0:
            store.put(CONTENT)
        elif number == 1:
            store.put_file(tmp_path / "file", expected=digest)
        else:
            with store.workdir("test") as work:
                (tmp_path / "file").rename(work / "file")
                store.adopt(work / "file")
        assert store.has(digest) and store.read(digest) == CONTENT
        assert store.path(digest).stat().st_mode & 0o222 == 0


def test_a_blob_is_hashed_once_in_its_life_and_never_in_its_first_boot(later: Later, hashed: list[str]) -> None:
    store = later.reboot()
    digest = store.put(CONTENT)
    assert store.has(digest) and Store(store.root).has(digest)
    assert hashed == []
    assert later.reboot().has(digest)
    assert hashed == [digest.removeprefix("sha256:")]
    assert later.reboot().has(digest) and later.reboot().has(digest)
    assert len(hashed) == 1


def test_what_is_put_anew_is_new(later: Later, hashed: list[str]) -> None:
    """The old one's note says that it is on the disk; the new one's content may be lost."""
    digest = later.reboot().put(CONTENT)
    store = later.reboot()
    assert store.has(digest)
    store.clean()
    store.put(CONTENT)
    store.path(digest).unlink()
    assert store.put(CONTENT) == digest
    assert (store.root / "known" / digest[7:]).read_text() == f"{len(CONTENT)} boot-2"
    later.reboot().has(digest)
    assert len(hashed) == 2


@pytest.mark.parametrize("note", [None, b"", b"18", b"\xff\xfe", b"x y"])
def test_a_note_that_is_lost_costs_a_hash(later: Later, hashed: list[str], note: bytes | None) -> None:
    """A cache of an older version has none at all."""
    store = later.reboot()
    right, wrong = store.put(CONTENT), store.put(b"other")
    damage(store, wrong, b"Other")
    for digest in (right, wrong):
        path = store.root / "known" / digest[7:]
        path.unlink()
        if note is not None:
            path.write_bytes(note)
    store = later.reboot()
    assert (store.has(right), store.has(wrong)) == (True, False)
    assert len(hashed) == 2
    assert store.has(right) and len(hashed) == 2
    assert (store.root / "known" / right[7:]).read_text() == f"{len(CONTENT)} boot-2", "it may not be on the disk yet"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xff", bytes(30), b'"text"'])
def test_a_result_that_lost_its_content_is_none(later: Later, text: bytes) -> None:
    store = later.reboot()
    store.remember("key", {"layer": store.put(CONTENT)})
    (store.root / "results" / "key.json").write_bytes(text)
    assert later.reboot().recall("key") is None


def test_who_finds_a_loss_says_so(later: Later) -> None:
    class Sink(progress.Silent):
        def note(self, level: str, text: str) -> None:
            told.append((level, text))

    told: list[tuple[str, str]] = []
    store = later.reboot()
    digest = store.put(CONTENT)
    damage(store, digest, b"")
    before = progress.use(Sink())
    try:
        assert not later.reboot().has(digest)
    finally:
        progress.use(before)
    ((level, text),) = told
    assert level == "warning" and str(store.path(digest)) in text and "lost its content" in text


def test_a_cleaned_store_has_no_notes(later: Later) -> None:
    store = later.reboot()
    store.put(CONTENT)
    store.clean()
    assert list((store.root / "known").iterdir()) == []
    assert not store.has(sha256(CONTENT)) and hashlib.sha256(CONTENT).hexdigest() in sha256(CONTENT)
