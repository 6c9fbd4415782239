"""The ISO: its command line, the same bits each time, and what is read back from it."""

import hashlib
import json
from pathlib import Path

import pytest
from media_samples import folder, item, kernel, node_items, read_newc, request

from builder.errors import BuildError, InputError
from builder.media.initrd import CONFIG
from builder.media.inspection import inspect_iso, volume_label
from builder.media.iso import EFI_SYSTEM, MAKER, Partition, xorriso_argv
from builder.media.make import make_medium
from builder.media.model import Media, MediaRequest
from builder.media.prepare import prepare
from builder.run import run
from builder.store import Store


def make_iso(wanted: MediaRequest, store: Store, target: Path) -> Media:
    return make_medium(MAKER, prepare(wanted, store), store, target)


def test_the_whole_command_line() -> None:
    files = {"boot/kernel": Path("/s/k"), "boot/grub/eltorito.img": Path("/w/a=b"), "kubeiso/layer-1.squashfs": Path("/s/1")}
    partitions, mbr = [Partition(EFI_SYSTEM, Path("/w/efi.img"))], Path("/usr/lib/grub/i386-pc/boot_hybrid.img")
    assert xorriso_argv(Path("/o/x.iso"), "LABEL", files, partitions, mbr) == [
        "xorriso", "-as", "mkisofs", "-o", "/o/x.iso", "-V", "LABEL",
        "-R", "-iso-level", "3", "-uid", "0", "-gid", "0", "-dir-mode", "0555", "-file-mode", "0444",
        "--modification-date=2017041816300000", "--set_all_file_dates", "2017041816300000",
        "--gpt_disk_guid", "8b96fa5d-0521-5d67-809f-5ae398fe1709",
        "--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img", "--protective-msdos-label",
        "-partition_cyl_align", "off", "-partition_offset", "16", "--mbr-force-bootable",
        "-append_partition", "2", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "/w/efi.img", "-appended_part_as_gpt", "-no-pad",
        "-iso_mbr_part_type", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
        "-c", "/boot/boot.catalog", "-b", "/boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4",
        "-boot-info-table", "--grub2-boot-info",
        "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
        "-graft-points", "/boot/grub/eltorito.img=/w/a\\=b", "/boot/kernel=/s/k", "/kubeiso/layer-1.squashfs=/s/1",
    ]  # fmt: skip


def test_two_builds_from_empty_stores_give_the_same_bits(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two=2"):
        store = Store(tmp_path / name / "store")
        made.append(make_iso(request(store, node_items()), store, tmp_path / name / "x.iso"))
    assert made[0].sha256 == made[1].sha256
    assert made[0].sha256 == "sha256:" + hashlib.sha256(made[0].path.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "one").iterdir() if path.is_file()] == ["x.iso"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Media, Store]:
    directory = tmp_path_factory.mktemp("iso")
    store = Store(directory / "store")
    return make_iso(request(store, node_items()), store, directory / "out" / "x.iso"), store


def test_an_iso_is_read_back_as_it_was_made(made: tuple[Media, Store], tmp_path: Path) -> None:
    media, store = made
    assert (media.format, media.label, media.cmdline) == ("iso", "KUBEISO_TEST", "console=ttyS0 quiet")
    assert media.size == media.path.stat().st_size
    assert store.read(media.kernel) == kernel()
    assert inspect_iso(media.path, Store(tmp_path / "other")) == media


def test_the_layers_that_the_initrd_asks_for_are_on_the_medium(made: tuple[Media, Store]) -> None:
    media, store = made
    listed = run(["xorriso", "-indev", media.path, "-find", "/kubeiso", "-type", "f"]).stdout.splitlines()
    settings = json.loads(read_newc(store.read(media.initrd))[0][CONFIG][2])
    assert settings["label"] == media.label
    assert len(settings["layers"]) == 2
    assert sorted(line.strip("'/") for line in listed) == sorted(settings["layers"])


def test_it_boots_with_both_firmwares_as_cd_and_as_disk(made: tuple[Media, Store]) -> None:
    report = run(["xorriso", "-indev", made[0].path, "-report_el_torito", "plain", "-report_system_area", "plain"]).stdout
    images = [line.split()[6:9] for line in report.splitlines() if line.startswith("El Torito boot img")]
    assert [image[0] for image in images] == ["BIOS", "UEFI"]
    assert "MBR protective-msdos-label grub2-mbr cyl-align-off GPT" in report
    assert "28732ac11ff8d211ba4b00a0c93ec93b" in report  # the EFI system partition, as its bytes lie on the disk


@pytest.mark.parametrize("label", ["", "lower", "A B", "X" * 33, "Ä"])
def test_a_label_that_iso_9660_cannot_hold_is_refused(tmp_path: Path, label: str) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(InputError, match="volume label"):
        make_iso(request(store, node_items(), label), store, tmp_path / "x.iso")


def test_a_tree_without_a_kernel_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(BuildError, match="no boot/kernel"):
        make_iso(request(store, [folder("boot"), item("sbin/init")]), store, tmp_path / "x.iso")


def test_a_failure_leaves_no_half_iso_and_the_old_one_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "xorriso"
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 5\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    store, out = Store(tmp_path / "store"), tmp_path / "out"
    out.mkdir()
    (out / "x.iso").write_text("the one before")
    with pytest.raises(BuildError, match="xorriso ended with exit code 5"):
        make_iso(request(store, node_items()), store, out / "x.iso")
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("x.iso", "the one before")]


@pytest.mark.parametrize("data", [b"", b"no ISO", bytes(40960)])
def test_what_is_no_iso_is_the_users_mistake(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.iso").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.iso is no ISO"):
        inspect_iso(tmp_path / "x.iso", Store(tmp_path / "store"))


def test_a_file_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        inspect_iso(tmp_path / "none.iso", Store(tmp_path / "store"))


def test_somebody_elses_iso_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    run(["xorriso", "-as", "mkisofs", "-V", "OTHER", "-o", tmp_path / "x.iso", tmp_path / "file"])
    assert volume_label(tmp_path / "x.iso") == "OTHER"
    with pytest.raises(InputError, match="kubeiso did not make"):
        inspect_iso(tmp_path / "x.iso", Store(tmp_path / "store"))
