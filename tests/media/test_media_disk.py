"""Disks for virtual machines and for bare metal: what is on them, the same bits each time, and what others read in them."""

import hashlib
import json
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from media_samples import node_items, request

from builder.errors import InputError
from builder.media.disk import BLANK, DESCRIPTOR, DESCRIPTOR_END, STATE_PARTITION, name_content
from builder.media.inspection import demand_own, volume_label
from builder.media.iso import EFI_SYSTEM
from builder.media.make import MAKERS, make_medium
from builder.media.model import DISK, Prepared
from builder.media.prepare import prepare
from builder.run import run
from builder.store import Store

FORMATS = ("raw", "qcow2", "vmdk", "ova", "containerdisk", "pxe")
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def ready(store: Store) -> Prepared:
    return prepare(request(store, node_items()), store)


@pytest.fixture(scope="module")
def made(store: Store, ready: Prepared, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("out")
    return {name: make_medium(MAKERS[name], ready, store, out / MAKERS[name].name("node")).path for name in FORMATS}


def partitions(disk: Path) -> list[tuple[str, int, int]]:
    """Type, first sector and sectors of each partition, as sfdisk reads them."""
    table = json.loads(run(["sfdisk", "--json", disk]).stdout)["partitiontable"]
    assert table["label"] == "gpt"
    return [(each["type"], each["start"], each["size"]) for each in table["partitions"]]


def raw_of(disk: Path, target: Path) -> Path:
    run(["qemu-img", "convert", "-O", "raw", disk, target])
    return target


def test_a_raw_disk_has_the_iso_the_efi_partition_and_a_blank_one_last(made: dict[str, Path]) -> None:
    (_, begin, first), (efi, _, _), (state, start, size) = partitions(made["raw"])
    assert (efi, state, size * 512) == (EFI_SYSTEM, STATE_PARTITION, BLANK)
    disk = made["raw"].read_bytes()
    assert disk[start * 512 : (start + size) * 512] == bytes(BLANK)
    assert disk[begin * 512 + 0x8001 : begin * 512 + 0x8006] == b"CD001", "the first partition is a volume of its own"
    assert (begin + first) * 512 < len(disk)


def test_the_last_partition_grows_to_the_end_of_a_larger_disk(made: dict[str, Path], tmp_path: Path) -> None:
    """With the commands of pkg/state/widen.go."""
    disk = tmp_path / "disk"
    disk.write_bytes(made["raw"].read_bytes())
    with disk.open("r+b") as file:
        file.truncate(3 << 30)
    quiet = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel"]
    run([*quiet, "--relocate", "gpt-bak-std", disk])
    run([*quiet, "-N", "3", disk], input=", +\n")
    *same, (_, start, size) = partitions(disk)
    assert same == partitions(made["raw"])[:2]
    assert 0 <= (3 << 30) - (start + size) * 512 < 1 << 20


@pytest.mark.parametrize("name", ["qcow2", "vmdk"])
def test_a_disk_in_another_form_has_the_same_content_and_its_full_size(
    made: dict[str, Path], name: str, tmp_path: Path
) -> None:  # fmt: skip
    raw = raw_of(made[name], tmp_path / "raw")
    size = made["raw"].stat().st_size
    with raw.open("rb") as file:
        assert file.read(size) == made["raw"].read_bytes()
        assert file.read(1 << 20) == bytes(1 << 20)
    assert raw.stat().st_size == DISK
    assert volume_label(made[name]) == "KUBEISO_TEST"
    assert run(["qemu-img", "check", made[name]], check=False).code in (0, 63), "63: a form that has no check"


def test_the_vmdk_is_one_stream_as_vmware_exports_it(made: dict[str, Path]) -> None:
    about = json.loads(run(["qemu-img", "info", "--output=json", made["vmdk"]]).stdout)["format-specific"]["data"]
    assert about["create-type"] == "streamOptimized"
    assert about["cid"] != about["parent-cid"]


@pytest.mark.parametrize("name", FORMATS)
def test_two_builds_give_the_same_bits(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "another store")
    again = make_medium(MAKERS[name], prepare(request(store, node_items()), store), store, tmp_path / made[name].name)
    assert again.path.read_bytes() == made[name].read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [made[name].name]


def test_another_disk_has_another_content_id(ready: Prepared, made: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "x.vmdk"
    copy.write_bytes(made["vmdk"].read_bytes())
    name_content(copy, "another")
    assert copy.read_bytes() != made["vmdk"].read_bytes()
    assert copy.stat().st_size == made["vmdk"].stat().st_size
    assert volume_label(copy) == ready.label


def test_a_content_id_of_less_digits_is_found_too(made: dict[str, Path], tmp_path: Path) -> None:
    """QEMU writes the number without leading zeros."""
    content = made["vmdk"].read_bytes()
    found = DESCRIPTOR.search(content[:DESCRIPTOR_END])
    assert found and len(found[1]) == 8
    short = found[0].replace(b"CID=" + found[1], b"CID=7", 1)
    copy = tmp_path / "x.vmdk"
    copy.write_bytes(content[: found.start()] + short + bytes(len(found[0]) - len(short)) + content[found.end() :])
    name_content(copy, "seed")
    whole = tmp_path / "y.vmdk"
    whole.write_bytes(content)
    name_content(whole, "seed")
    assert copy.read_bytes() == whole.read_bytes()


def members(ova: Path) -> dict[str, bytes]:
    with tarfile.open(ova) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def test_the_ova_has_its_descriptor_first_and_the_digests_of_all(made: dict[str, Path]) -> None:
    found = members(made["ova"])
    assert list(found) == ["node.ovf", "node.mf", "node-disk1.vmdk"]
    lines = [f"SHA256({name})= {hashlib.sha256(found[name]).hexdigest()}" for name in ("node.ovf", "node-disk1.vmdk")]
    assert found["node.mf"].decode().splitlines() == lines
    assert found["node-disk1.vmdk"].startswith(b"KDMV")


def test_the_ovas_machine_is_one_for_esxi_7(made: dict[str, Path]) -> None:
    found = members(made["ova"])
    root = ET.fromstring(found["node.ovf"])
    assert [element.text for element in root.iter() if element.tag.endswith("VirtualSystemType")] == ["vmx-17"]
    types = {element.text for element in root.iter(f"{RASD}ResourceSubType")}
    assert types == {"VirtualSCSI", "VmxNet3", "vmware.sata.ahci", "vmware.cdrom.remotepassthrough"}
    (disk,) = root.iter(f"{OVF}Disk")
    assert disk.get(f"{OVF}capacity") == str(DISK)
    (file,) = root.iter(f"{OVF}File")
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == ("node-disk1.vmdk", str(len(found["node-disk1.vmdk"])))
    for item in root.iter(f"{OVF}Item"):
        names = [element.tag for element in item]
        assert names == sorted(names), "the schema has the elements of an item in the order of their names"


def test_a_containerdisk_is_an_image_that_holds_the_disk_for_kubevirt(made: dict[str, Path], tmp_path: Path) -> None:
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci-archive:{made['containerdisk']}", f"dir:{tmp_path / 'image'}"], check=True
    )  # fmt: skip
    manifest = json.loads((tmp_path / "image" / "manifest.json").read_text())
    (layer,) = manifest["layers"]
    with tarfile.open(tmp_path / "image" / layer["digest"].removeprefix("sha256:")) as archive:
        (folder, disk) = archive.getmembers()
        assert (folder.name, disk.name, disk.uid, disk.gid) == ("disk", "disk/node.qcow2", 107, 107)
        content = archive.extractfile(disk)
        assert content and content.read() == made["qcow2"].read_bytes()


def test_a_disk_of_somebody_else_is_the_users_mistake(tmp_path: Path) -> None:
    run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "x.qcow2", "1G"])
    with pytest.raises(InputError, match="is no ISO"):
        demand_own(tmp_path / "x.qcow2", Store(tmp_path / "store"))


def test_kubeisos_own_are_known(made: dict[str, Path], tmp_path: Path) -> None:
    for name in ("raw", "qcow2", "vmdk"):
        demand_own(made[name], Store(tmp_path / "store"))


def test_a_disk_that_can_not_be_converted_leaves_the_old_one_as_it_was(
    ready: Prepared, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qemu-img").write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    (programs / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "node.qcow2"
    old.write_text("the one before")
    with pytest.raises(Exception, match="qemu-img ended with exit code 1"):
        make_medium(MAKERS["qcow2"], ready, store, old)
    assert [(path.name, path.read_text()) for path in old.parent.iterdir()] == [("node.qcow2", "the one before")]
