"""Tar archives with the same bytes each time."""

import io
import tarfile
import time
from pathlib import Path
from typing import IO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.tarball import EPOCH, directory, entries, entry, symlink, writing

names = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)
files = st.lists(st.tuples(names, st.binary(max_size=600), st.integers(0, 0o7777)), max_size=6, unique_by=lambda file: file[0])


def archive(members: list[tuple[str, bytes, int]]) -> bytes:
    out = io.BytesIO()
    with writing(out) as tar:
        for name, data, mode in members:
            tar.add_bytes(name, data, mode)
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(members=files)
def test_what_goes_in_comes_out_in_order(members: list[tuple[str, bytes, int]]) -> None:
    found = [
        (info.name, content.read() if content else b"", info.mode, info.mtime, info.uid, info.gid)
        for info, content in entries(io.BytesIO(archive(members)))
    ]
    assert found == [(name, data, mode, EPOCH, 0, 0) for name, data, mode in members]


def test_the_same_content_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [("etc/motd", b"hello", 0o644), ("ä" * 150, b"", 0o600)]
    first = archive(members)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert archive(members) == first


def test_kinds_and_owners(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    source.chmod(0o600)
    out = io.BytesIO()
    with writing(out) as tar:
        tar.add(directory("etc"))
        tar.add(symlink("etc/localtime", "/usr/share/zoneinfo/UTC"))
        tar.add(entry("etc/hard", mode=0o644, type=tarfile.LNKTYPE, linkname="etc/file", uid=3, gid=4))
        tar.add_file("etc/file", source, 0o755)
    found = [
        (info.name, info.type, oct(info.mode), info.linkname, info.uid, info.gid)
        for info, _ in entries(io.BytesIO(out.getvalue()))
    ]
    assert found == [
        ("etc", tarfile.DIRTYPE, "0o755", "", 0, 0),
        ("etc/localtime", tarfile.SYMTYPE, "0o777", "/usr/share/zoneinfo/UTC", 0, 0),
        ("etc/hard", tarfile.LNKTYPE, "0o644", "etc/file", 3, 4),
        ("etc/file", tarfile.REGTYPE, "0o755", "", 0, 0),
    ]


def test_only_regular_files_have_content() -> None:
    out = io.BytesIO()
    with writing(out) as tar:
        tar.add(directory("a"))
        tar.add_bytes("a/b", b"x")
    assert [content is None for _, content in entries(io.BytesIO(out.getvalue()))] == [True, False]


def test_an_archive_is_read_forward_only() -> None:
    class Pipe:
        """Bytes that come once."""

        def __init__(self, data: bytes) -> None:
            self._left = data

        def read(self, size: int) -> bytes:
            piece, self._left = self._left[:size], self._left[size:]
            return piece

    pipe = Pipe(archive([(f"file{number}", bytes([number]) * 1000, 0o644) for number in range(100)]))
    assert [content.read(1)[0] for _, content in entries(cast(IO[bytes], pipe)) if content] == list(range(100))


def test_after_a_failure_the_archive_has_no_end() -> None:
    """So that nobody takes half an archive for a whole one."""
    out = io.BytesIO()
    with pytest.raises(RuntimeError), writing(out) as tar:
        tar.add_bytes("a", b"x")
        raise RuntimeError
    assert not out.getvalue().endswith(bytes(1024))
    assert archive([("a", b"x", 0o644)]).endswith(bytes(1024))
