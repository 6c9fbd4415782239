"""A node's own configuration as VMware's guestinfo, made and read on the host."""

import base64
import gzip
from pathlib import Path

import pytest
import yaml

from builder.errors import InputError
from builder.pipeline.guestinfo import is_guestinfo, values
from builder.pipeline.nodeconfig import laid_out

USER = b"#cloud-config\nhostname: n1\n"
NETWORK = b"version: 2\nethernets: {one: {match: {name: e*}, dhcp4: true}}\n"


def plain(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def held(given: Path) -> dict[str, str]:
    with laid_out(given) as folder:
        return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_made_is_read_again(tmp_path: Path) -> None:
    made = values({"meta-data": b"local-hostname: n1\n", "user-data": USER, "network-config": NETWORK})
    assert made == values({"network-config": NETWORK, "user-data": USER, "meta-data": b"local-hostname: n1\n"})
    (tmp_path / "n1.guestinfo").write_bytes(made)
    found = held(tmp_path / "n1.guestinfo")
    assert sorted(found) == [
        "guestinfo.metadata", "guestinfo.metadata.encoding", "guestinfo.userdata", "guestinfo.userdata.encoding"
    ]  # fmt: skip
    assert plain(found["guestinfo.userdata"]) == USER and found["guestinfo.userdata.encoding"] == "gzip+base64"
    meta = yaml.safe_load(plain(found["guestinfo.metadata"]))
    assert plain(meta.pop("network")) == NETWORK
    assert meta == {"local-hostname": "n1", "network.encoding": "gzip+base64"}


def test_meta_data_alone_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "n1").write_bytes(values({"meta-data": b"# mine\nlocal-hostname: n1\n"}))
    assert plain(held(tmp_path / "n1")["guestinfo.metadata"]) == b"# mine\nlocal-hostname: n1\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"config": b"{}"}, "guestinfo has no place for config"),
        ({"network-config": NETWORK, "meta-data": b"- a\n"}, "meta-data has no keys with values"),
        ({"network-config": NETWORK, "meta-data": b"a: [\n"}, "meta-data is no YAML"),
    ],
)
def test_what_can_be_none_is_told(files: dict[str, bytes], told: str) -> None:
    with pytest.raises(InputError, match=told):
        values(files)


@pytest.mark.parametrize("text", ["", "\n", "#cloud-config\n", "guestinfo.userdata\n", "guestinfo.a=b\nhostname: n1\n"])
def test_other_files_are_none_of_these(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    assert not is_guestinfo(tmp_path / "x")


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("guestinfo./../../up=b\n")
    with pytest.raises(InputError, match="is no name of guestinfo"):
        held(tmp_path / "x")
