"""What a medium's file alone tells of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from media_samples import folder, hard_link, item, node_items, noise, programs, request

from builder.errors import InputError
from builder.media.contents import contents, place
from builder.media.make import MAKERS, make_medium
from builder.media.model import BILL
from builder.media.prepare import prepare
from builder.run import run
from builder.store import Store

PROGRAM = noise(9 << 20, 3)
FORMATS = {".efi": "uki"}
DOCUMENT = {
    "name": "x",
    "packages": [
        {"SPDXID": "SPDXRef-Node-node-1", "name": "node", "versionInfo": "0123"},
        {"SPDXID": "SPDXRef-Component-runc-1", "name": "runc", "versionInfo": "1.4.3", "licenseDeclared": "NOASSERTION"},
        {"SPDXID": "SPDXRef-Go-a-1", "name": "a", "versionInfo": "1", "licenseDeclared": "(Apache-2.0 AND MIT)"},
    ],
}
RELEASE = b'NAME=kubeiso\n# a remark\nPRETTY_NAME="kubeiso, Kubernetes v1.2.3"\nVARIANT_ID=master\n'


@pytest.fixture(scope="module", params=["iso", "qcow2", "uki", "pxe", "ova", "containerdisk"])
def medium(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("medium")
    return made(room, request.param)


def made(room: Path, form: str) -> Path:
    store = Store(room / "store")
    items = [
        *node_items(), folder("usr/share/kubeiso"),
        item("usr/share/kubeiso/containerd/layers/0123456789abcdef/fs/usr/bin/serve", PROGRAM, at="init[1]"),
        hard_link("containers/services/one/lower/serve", "usr/share/kubeiso/containerd/layers/0123456789abcdef/fs/usr/bin/serve"),
        item("etc/os-release", RELEASE),
    ]  # fmt: skip
    notes = {BILL: store.put(json.dumps(DOCUMENT).encode())}
    ready = replace(prepare(request(store, items), store), notes=notes, programs=programs(store))
    return make_medium(MAKERS[form], ready, store, room / MAKERS[form].name("node")).path


def test_it_is_told_what_a_medium_is(medium: Path) -> None:
    found = contents(medium)
    assert (found.label, found.cmdline, found.size) == ("KUBEISO_TEST", "console=ttyS0 quiet", medium.stat().st_size)
    assert (found.release["PRETTY_NAME"], found.release["VARIANT_ID"]) == ("kubeiso, Kubernetes v1.2.3", "master")
    assert found.format == FORMATS.get(medium.suffix, medium.name.split(".")[1])
    assert {"/boot/kernel", "/boot/initrd.img", f"/{BILL}"} <= set(found.boot)
    assert [path for path in found.boot if path.startswith("/kubeiso")] == [f"/{BILL}"]


def test_its_own_bill_is_told_in_short(medium: Path) -> None:
    bill = contents(medium).bill
    assert bill and (bill.name, bill.id, bill.kinds) == ("node", "0123", {"Component": 1, "Go": 1, "Node": 1})
    assert bill.components == {"runc": "1.4.3"} and bill.licences == ("Apache-2.0", "MIT")


def test_each_layer_tells_what_it_takes_packed_and_unpacked(medium: Path) -> None:
    found = contents(medium)
    assert len(found.layers) == 3
    files = {path: size for layer in found.layers for path, size in layer.files.items()}
    assert files["usr/bin/kubelet"] == 9 << 20
    assert files["etc/hostname"] == len("node")
    if medium.suffix != ".qcow2":
        assert sum(layer.packed for layer in found.layers) < found.size


def test_room_is_told_by_what_it_is_a_part_of(medium: Path) -> None:
    places = {name: (packed, unpacked) for name, packed, unpacked in contents(medium).places()}
    assert {"the node's root", "kernel modules", "services one", "pods' images, layer 0123456789ab, serve"} <= set(places)
    assert places["services one"][1] == len(PROGRAM)
    assert places["the node's root"][0] == pytest.approx(9 << 20, rel=0.05), "noise does not get smaller"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("containers/onboot/003-image-seed/rootfs/usr/bin/x", "onboot image-seed"),
        ("containers/services/kubelet/lower/usr/bin/x", "services kubelet"),
        ("usr/lib/modules/6.12/x.ko", "kernel modules"),
        ("usr/lib/firmware/x", "firmware"),
        ("usr/share/kubeiso/containerd/io.containerd.metadata.v1.bolt/meta.db", "pods' images, records"),
        ("opt/cni/bin/bridge", "CNI plugins"),
        ("etc/passwd", "the node's root"),
    ],
)
def test_a_path_belongs_to_one_part(path: str, part: str) -> None:
    assert place(path) == part


def test_an_iso_of_somebody_else_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("x")
    run(["xorriso", "-as", "mkisofs", "-o", tmp_path / "x.iso", "-V", "OTHER", tmp_path / "a file"])
    with pytest.raises(InputError, match=r"x\.iso is an ISO that kubeiso did not make"):
        contents(tmp_path / "x.iso")


def test_a_file_that_was_cut_short_is_told(tmp_path: Path) -> None:
    whole = made(tmp_path, "iso")
    (tmp_path / "short.iso").write_bytes(whole.read_bytes()[: 1 << 20])
    with pytest.raises(InputError, match=r"short\.iso is cut short"):
        contents(tmp_path / "short.iso")
