"""Files that appear whole or not at all."""

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.aside import aside, write_aside


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
