"""What a machine boots over the network: the script, and the archive with the layers."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from media_samples import kernel, node_items, read_newc, request

from builder import cpio
from builder.errors import InputError
from builder.media.initrd import CONFIG
from builder.media.make import MAKERS, make_medium
from builder.media.prepare import prepare
from builder.media.pxe import script
from builder.store import Store


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    room = tmp_path_factory.mktemp("pxe")
    store = Store(room / "store")
    made = make_medium(MAKERS["pxe"], prepare(request(store, node_items()), store), store, room / "node.pxe.tar")
    with tarfile.open(made.path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def test_the_script_names_what_lies_beside_it(members: dict[str, bytes]) -> None:
    assert members["boot.ipxe"].decode().splitlines() == [
        "#!ipxe", "kernel kernel initrd=initrd.img initrd=root.img console=ttyS0 quiet",
        "initrd initrd.img", "initrd root.img", "boot",
    ]  # fmt: skip
    assert members["kernel"] == kernel()
    sums = dict(line.split("  ")[::-1] for line in members["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(members[name]).hexdigest() for name in ("kernel", "initrd.img", "root.img", "boot.ipxe")}


def test_the_second_archive_has_the_layers_that_the_first_one_asks_for(members: dict[str, bytes]) -> None:
    """The kernel takes the two as one, so the first has to end at a multiple of four bytes."""
    assert len(members["initrd.img"]) % 4 == 0
    settings = json.loads(read_newc(members["initrd.img"])[0][CONFIG][2])
    found, end = read_newc(members["root.img"])
    assert end == len(members["root.img"])
    assert set(found) == {"kubeiso", *settings["layers"]}
    digests = [hashlib.sha256(found[layer][2]).hexdigest() for layer in settings["layers"]]
    assert digests == settings["digests"]


def test_an_archive_of_files_is_the_one_of_their_bytes(tmp_path: Path) -> None:
    for name, data in (("one", b"1" * 5), ("two", b"")):
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "archive").open("wb") as out:
        cpio.write_files(out, {"a/b/two": tmp_path / "two", "a/one": tmp_path / "one"})
    entries = [cpio.directory("a"), cpio.directory("a/b"), cpio.file("a/b/two", b""), cpio.file("a/one", b"1" * 5)]
    assert (tmp_path / "archive").read_bytes() == cpio.newc(entries)


@pytest.mark.parametrize("cmdline", ["quiet x=${mac}", "it's"])
def test_a_command_line_that_ipxe_can_not_hand_on_is_the_users_mistake(cmdline: str) -> None:
    with pytest.raises(InputError):
        script(cmdline)
