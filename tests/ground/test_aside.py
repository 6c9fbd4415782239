"""Files that appear whole or not at all."""

import itertools
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.aside import aside, file_set, write_aside


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("data", [b"\x00\xff", b"", "text: \u00fc\n"])
def test_what_is_written_is_there_alone(tmp_path: Path, data: bytes | str) -> None:
    write_aside(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_mode_is_that_of_the_call_less_the_umask(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(0o666)
    before = os.umask(0o022)
    try:
        write_aside(tmp_path / "file", "x", mode=0o666)
        write_aside(tmp_path / "secret", "x", mode=0o600)
    finally:
        os.umask(before)
    assert (mode_of(tmp_path / "file"), mode_of(tmp_path / "secret")) == (0o644, 0o600)


def test_a_failure_leaves_the_old_content_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), aside(target) as made:
        made.write_text("half of")
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError), aside(target):
        raise RuntimeError("before the first byte")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_a_target_that_can_not_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        write_aside(tmp_path / "file", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_may_be_nearly_as_long_as_the_file_system_lets_it(tmp_path: Path) -> None:
    write_aside(tmp_path / ("n" * 230), "x")


def test_writers_at_once_never_mix(tmp_path: Path) -> None:
    """Each writes a text of its own; a reader sees one of them whole, every time."""
    target, done = tmp_path / "file", threading.Event()
    texts = {letter * 200_000 for letter in "abcd"}
    write_aside(target, "a" * 200_000)

    def write(text: str) -> None:
        for _ in range(20):
            write_aside(target, text)

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(target.read_text())
        return seen

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(read)
        list(pool.map(write, texts))
        done.set()
        assert reader.result() <= texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


NAMES = ("x.iso", "x.iso.sha256", "x.build.json", "x.yml")


def put(folder: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    with file_set(folder, "x.iso") as made:
        for name in names:
            (made / name).write_text(text)


def there(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_set_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "x.notes").write_text("the user's")
    put(tmp_path, "old")
    put(tmp_path, "new")
    assert there(tmp_path) == {**dict.fromkeys(NAMES, "new"), "x.notes": "the user's"}
    assert len(list(tmp_path.iterdir())) == 5


def test_a_set_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    put(tmp_path, "old")
    with pytest.raises(KeyboardInterrupt), file_set(tmp_path, "x.iso") as made:
        (made / "x.iso").write_text("new")
        raise KeyboardInterrupt
    assert there(tmp_path) == dict.fromkeys(NAMES, "old") and len(list(tmp_path.iterdir())) == 4


class Killed(BaseException):
    """Nothing more is done, as after SIGKILL."""


@pytest.mark.parametrize("steps", range(8))
def test_a_set_that_is_killed_between_is_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """It is ended before each of its steps: four names that go, four that come."""
    put(tmp_path, "old")
    count = itertools.count()

    def stops(real: Callable[..., object]) -> Callable[..., object]:
        def step(path: Path, *args: object, **words: object) -> object:
            if path.name in NAMES and next(count) == steps:
                raise Killed
            return real(path, *args, **words)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", stops(Path.unlink))
        patched.setattr(Path, "replace", stops(Path.replace))
        try:
            put(tmp_path, "new")
        except Killed:
            assert steps < 7
    found = there(tmp_path)
    assert {found[name] for name in found} <= {found["x.iso"]}
    put(tmp_path, "next")
    assert there(tmp_path) == dict.fromkeys(NAMES, "next")


def test_sets_at_once_are_not_mixed(tmp_path: Path) -> None:
    """Two builds with other values write the same names."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put(tmp_path, str(number)), range(200)))
    found = there(tmp_path)
    assert set(found) == set(NAMES) and len(set(found.values())) == 1


def test_what_a_killed_run_left_of_a_set_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".kubeiso-set-1.work"
    left.mkdir()
    (left / "x.iso").write_text("half")
    put(tmp_path, "new")
    assert not left.exists()
