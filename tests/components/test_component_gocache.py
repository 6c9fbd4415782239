"""Go's build cache, compressed: as the go command sees it, and whatever state the cache is in."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from component_samples import on_small_disk

from builder.components import gocache

CONTENT = b"what a compiler made of a package, with words that come again and again; " * 4000


def name(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


OUTPUT = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


@dataclass
class Asked:
    """The requests of one go command."""

    lines: list[str] = field(default_factory=list)

    def get(self, action: str) -> "Asked":
        return self._add({"Command": "get", "ActionID": name(action)})

    def put(self, action: str, content: bytes = CONTENT, output: str = OUTPUT) -> "Asked":
        self._add({"Command": "put", "ActionID": name(action), "OutputID": output, "BodySize": len(content)})
        if content:
            self.lines.append(json.dumps(base64.b64encode(content).decode()))
        return self

    def close(self) -> "Asked":
        return self._add({"Command": "close"})

    def _add(self, request: dict[str, Any]) -> "Asked":
        number = sum(line.startswith("{") for line in self.lines) + 1
        self.lines.append(json.dumps({"ID": number, **request}))
        return self

    @property
    def text(self) -> str:
        """As Go writes it: an empty line after each value."""
        return "".join(f"{line}\n\n" for line in self.lines)


@dataclass(frozen=True)
class Folders:
    kept: Path
    plain: Path

    def answers(self, asked: Asked) -> list[dict[str, Any]]:
        """What the program says to each request, in their order; the first is its greeting."""
        return ordered(subprocess.run(self.command, input=asked.text, capture_output=True, text=True, check=True).stdout)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-I", gocache.__file__, str(self.kept), str(self.plain)]

    def later(self) -> "Folders":
        """The same cache at another build."""
        return Folders(self.kept, self.plain.with_name("later"))

    def kept_files(self, kind: str) -> Iterator[Path]:
        return self.kept.glob(f"??/*-{kind}")


def ordered(said: str) -> list[dict[str, Any]]:
    return sorted((json.loads(line) for line in said.splitlines()), key=lambda answer: int(answer["ID"]))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "kept with a space", tmp_path / "plain")


def test_what_was_put_is_got_at_a_later_build(folders: Folders) -> None:
    greeting, put, closed = folders.answers(Asked().put("a").close())
    assert greeting == {"ID": 0, "KnownCommands": ["get", "put", "close"]}
    assert Path(put["DiskPath"]).read_bytes() == CONTENT
    assert closed == {"ID": 2}
    got = folders.later().answers(Asked().get("a").close())[1]
    assert (got["OutputID"], got["Size"]) == (OUTPUT, len(CONTENT))
    assert Path(got["DiskPath"]).read_bytes() == CONTENT
    assert Path(got["DiskPath"]).parent == folders.later().plain


def test_an_empty_output_has_no_body(folders: Folders) -> None:
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    folders.answers(Asked().put("a", b"", empty).put("b").close())
    got = folders.later().answers(Asked().get("a").get("b").close())
    assert [Path(answer["DiskPath"]).read_bytes() for answer in got[1:3]] == [b"", CONTENT]


def test_it_is_kept_compressed_and_once_for_all_actions(folders: Folders) -> None:
    folders.answers(Asked().put("a").put("b").close())
    (kept,) = folders.kept_files("d")
    assert kept.stat().st_size < len(CONTENT) / 4
    assert len(list(folders.kept_files("a"))) == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("kind", ["a", "d"])
def test_a_damaged_entry_is_a_miss_and_is_made_good(folders: Folders, kind: str, harm: Any) -> None:
    folders.answers(Asked().put("a").close())
    harm(next(folders.kept_files(kind)))
    assert folders.later().answers(Asked().get("a").close())[1] == {"ID": 1, "Miss": True}
    folders.later().answers(Asked().put("a").close())
    got = Folders(folders.kept, folders.plain.with_name("third")).answers(Asked().get("a").close())[1]
    assert Path(got["DiskPath"]).read_bytes() == CONTENT


def test_a_go_that_is_killed_ends_it_and_leaves_nothing_half(folders: Folders) -> None:
    asked = Asked().put("a").put("b")
    cut_off = asked.text[: -len(CONTENT) // 2]
    done = subprocess.run(folders.command, input=cut_off, capture_output=True, text=True, timeout=60)
    assert ordered(done.stdout)[1]["DiskPath"]
    assert folders.later().answers(Asked().get("a").get("b").close())[2] == {"ID": 2, "Miss": True}
    assert not list(folders.kept.rglob("*.new"))


def test_a_full_disk_is_told_to_go(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    folders = Folders(small, tmp_path / "plain")
    hard = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(100_000))
    requests = tmp_path / "requests"
    requests.write_text(Asked().put("a", hard).get("a").close().text)
    done = on_small_disk(small, 1, ["sh", "-c", 'exec "$@" < "$0"', str(requests), *folders.command], {"PATH": "/usr/bin:/bin"})
    put, got = ordered(done.stdout)[1:3]
    assert "No space left on device" in put["Err"]
    assert got == {"ID": 2, "Miss": True}
