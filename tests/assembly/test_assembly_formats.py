"""Single formats: PAX headers, Go's YAML and JSON, references, and the comparison of trees."""

import contextlib
import io
import math
import re
import tarfile
from pathlib import Path

import assembly_samples as samples
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder import progress
from builder.assembly.compare import compare
from builder.assembly.gojson import indented
from builder.assembly.goyaml import in_key_order, marshal, reads_as_string
from builder.assembly.pax import clean, encode, pax_time
from builder.assembly.shapes import RESOURCES, decode, to_json
from builder.references import expand
from builder.store import Store

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300).filter(lambda name: name.strip("/"))


@given(
    name=NAMES, target=NAMES, mode=st.integers(0, 0o7777), uid=st.integers(0, 2**31), size=st.integers(0, 2**40),
    mtime=st.integers(-(2**33), 2**36), note=st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
)  # fmt: skip
def test_tarfile_reads_what_was_encoded(name: str, target: str, mode: int, uid: int, size: int, mtime: int, note: str) -> None:
    info = tarfile.TarInfo(name.strip("/"))
    info.mode, info.uid, info.gid, info.size, info.mtime, info.linkname = mode, uid, uid, size, mtime, target
    info.pax_headers = {"LINUXKIT.source": note}
    data = encode(info)
    assert len(data) % 512 == 0
    read = tarfile.open(fileobj=io.BytesIO(data + bytes(1024)), mode="r:").next()  # noqa: SIM115
    assert read
    assert (read.name, read.mode, read.uid, read.gid, read.size, read.mtime) == (info.name, mode, uid, uid, size, mtime)
    assert (read.linkname, read.pax_headers["LINUXKIT.source"]) == (target, note)


@pytest.mark.parametrize(("given_", "written"), [("5", "5"), ("5.0", "5"), ("05.2500", "05.25"), ("1.1234567899", "1.123456789")])
def test_pax_times(given_: str, written: str) -> None:
    assert pax_time(given_) == written


@pytest.mark.parametrize(("path", "short"), [("./a/../b/", "b"), ("//a", "/a"), ("", "."), ("a//b", "a/b"), ("./", ".")])
def test_clean(path: str, short: str) -> None:
    assert clean(path) == short


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2028\u2029\x85")))
def test_yaml_gives_the_text_back(text: str) -> None:
    document = marshal({"list": [{"key": text}]}).decode()
    assert yaml.load(document, Loader=yaml.BaseLoader) == {"list": [{"key": text}]}


@given(st.from_regex(re.compile(r"[-+0-9a-fxob._:eE ]{1,12}", re.ASCII), fullmatch=True))
def test_unquoted_text_is_no_other_thing(text: str) -> None:
    """What yaml.v2 takes for a string is at least no number for Python either."""
    if reads_as_string(text) and text == text.strip():
        for kind in (int, float):
            # A number beyond a double's range is a text for Go and infinity for Python.
            with contextlib.suppress(ValueError):
                assert math.isinf(kind(text))


def test_yaml_keys_are_sorted_by_numbers_and_signs() -> None:
    keys = ["net.b", "net.10", "net.9", "net", "Net", "net-a", "net.a", "net.0010", "net.010", "1", "a", "x100", "x20"]
    assert in_key_order(keys) == [
        "1", "Net", "a", "net", "net-a", "net.9", "net.10", "net.010", "net.0010", "net.a", "net.b", "x20", "x100",
    ]  # fmt: skip


def test_json_is_escaped_as_go_does() -> None:
    assert indented(["<&>", "\u2028é\x7f\x01"], indent=1).decode() == ('[\n "\\u003c\\u0026\\u003e",\n "\\u2028é\x7f\\u0001"\n]')
    assert indented({"b": [], "c": {}}) == b'{\n    "b": [],\n    "c": {}\n}'


def test_references_are_completed() -> None:
    assert expand("x:1") == "docker.io/library/x:1"
    assert expand("a/b@sha256:0") == "docker.io/a/b@sha256:0"
    assert expand("localhost/b") == "localhost/b"
    assert expand("h:5000/b") == "h:5000/b"
    assert expand("h.example/a/b:1") == "h.example/a/b:1"


class Notes(progress.Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, level: str, text: str) -> None:
        self.texts.append(f"{level}: {text}")


def test_keys_that_linuxkit_does_not_read_are_told() -> None:
    notes = Notes()
    before = progress.use(notes)
    try:
        decoded = decode(RESOURCES, {"memory": {"limit": 5, "kernelTCP": 1}}, "services[0].resources")
    finally:
        progress.use(before)
    assert to_json(RESOURCES, decoded) == {"memory": {"limit": 5}}
    assert notes.texts == ["warning: services[0].resources.memory.kernelTCP: LinuxKit accepts this key, but it has no effect"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def difference(store: Store, left: list[samples.Item], right: list[samples.Item]) -> list[str]:
    return compare(store, store.put(samples.archive(left)), store.put(samples.archive(right)))


BASE = [samples.folder("a"), samples.item("a/b", b"content"), samples.link("c", "a")]
OTHERS = {
    "a/b: mode '0644' | '0600'": [BASE[0], samples.item("a/b", b"content", mode=0o600), BASE[2]],
    "a/b: uid 0 | 5": [BASE[0], samples.item("a/b", b"content", uid=5), BASE[2]],
    "a/b: mtime 1600000000 | 1": [BASE[0], samples.item("a/b", b"content", mtime=1), BASE[2]],
    "c: linkname 'a' | 'b'": [*BASE[:2], samples.link("c", "b")],
    "c: type '2' | '1'": [*BASE[:2], samples.link("c", "a", tarfile.LNKTYPE)],
    "a/b: records () | (('x', 'y'),)": [BASE[0], samples.item("a/b", b"content", pax_headers={"x": "y"}), BASE[2]],
    "c: only in the left": BASE[:2],
    "d: only in the right": [*BASE, samples.folder("d")],
    "a (occurrence 2): only in the right": [*BASE, samples.folder("a")],
    "order: at common entry 1 the left has a/b, the right c": [BASE[0], BASE[2], BASE[1]],
}


@pytest.mark.parametrize("line", OTHERS)
def test_each_difference_is_told(store: Store, line: str) -> None:
    assert difference(store, BASE, OTHERS[line]) == [line]


def test_other_content_is_told_by_its_digest(store: Store) -> None:
    lines = difference(store, BASE, [BASE[0], samples.item("a/b", b"CONTENT"), BASE[2]])
    assert len(lines) == 1 and lines[0].startswith("a/b: content '")


def test_equal_trees_have_no_difference(store: Store) -> None:
    assert difference(store, BASE, BASE) == []
