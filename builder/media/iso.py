"""The format iso: one file that boots with BIOS and with UEFI, as a CD and as a disk."""

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import moment
from builder.errors import InputError
from builder.fat import boot_path, write_efi
from builder.media import grub, uki
from builder.media.model import Maker, Prepared
from builder.media.placing import placed, written
from builder.run import run
from builder.store import Store

LABEL = re.compile(r"[A-Z0-9_]{1,32}")  # ISO 9660 d-characters, ECMA-119 section 8.4.8
CORE_IMAGE = "/boot/grub/eltorito.img"
EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"  # GPT partition types: UEFI specification, section 5.3.3
BASIC_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"


@dataclass(frozen=True)
class Partition:
    """A further partition of the disk that an ISO is too: its GPT type, and the file with what it holds."""

    kind: str
    file: Path


def write(prepared: Prepared, store: Store, work: Path, target: Path, more: Sequence[Partition] = ()) -> None:
    """Makes the ISO; `target` appears only when it is whole. Raises InputError for a label that ISO 9660 can't carry."""
    if not LABEL.fullmatch(prepared.label):
        raise InputError(f"{prepared.label!r} can't be a volume label", why="ISO 9660 takes 1 to 32 of A-Z, 0-9 and _")
    menu = grub.menu(prepared.label, prepared.cmdline)
    core, efi = grub.make_bios_image(work, prepared.label, prepared.platform), efi_partition(prepared, store, work)
    files = {
        "boot/kernel": store.path(prepared.kernel),
        "boot/initrd.img": store.path(prepared.initrd),
        "boot/cmdline": written(work / "cmdline", prepared.cmdline + "\n"),
        "boot/grub/grub.cfg": written(work / "grub.cfg", menu),
        CORE_IMAGE.lstrip("/"): core,
        **{path: store.path(digest) for path, digest in prepared.beside.items()},
    }
    with placed(target) as made:
        argv = xorriso_argv(made, prepared.label, files, [Partition(EFI_SYSTEM, efi), *more], grub.mbr(prepared.platform))
        run(argv, env=moment.environment(), timeout=None)


def efi_partition(prepared: Prepared, store: Store, work: Path) -> Path:
    """What UEFI starts: GRUB with its menu; where the user has a key, systemd's menu and the kernel behind it, both signed."""
    platform = prepared.platform
    program = work / platform.efi_file
    if prepared.secure is None:
        grub.make_efi_program(work, prepared.label, program, platform)
        return write_efi(work / "efi.img", {boot_path(platform.efi_file): program})
    uki.sign(store.path(prepared.programs[platform.efi_menu]), prepared.secure, program)
    kernel = uki.unify(prepared, store, work, store.path(prepared.initrd), work / "kernel.efi")
    settings = written(work / "loader.conf", uki.MENU)
    return write_efi(work / "efi.img", {boot_path(platform.efi_file): program, uki.KERNEL: kernel, uki.SETTINGS: settings})


def xorriso_argv(
    target: Path, label: str, files: Mapping[str, Path], partitions: Sequence[Partition], mbr: Path
) -> list[str]:  # fmt: skip
    """The whole command line. `files`: path on the medium -> file; the first of `partitions` has the UEFI boot program."""
    return [
        "xorriso", "-as", "mkisofs", "-o", os.fspath(target), "-V", label,
        # Rock Ridge alone: no second tree of names. Level 3 allows a layer of 4 GiB and more.
        "-R", "-iso-level", "3", "-uid", "0", "-gid", "0", "-dir-mode", "0555", "-file-mode", "0444",
        f"--modification-date={moment.digits()}", "--set_all_file_dates", moment.digits(), "--gpt_disk_guid", disk_guid(label),
        # As a disk: GRUB in the master boot record for BIOS; GPT with the ISO as first partition and the EFI one behind it.
        "--grub2-mbr", os.fspath(mbr), "--protective-msdos-label", "-partition_cyl_align", "off", "-partition_offset", "16",
        "--mbr-force-bootable", *appended(partitions), "-appended_part_as_gpt", "-no-pad",
        "-iso_mbr_part_type", BASIC_DATA,
        # As a CD: El Torito, first for BIOS, then for UEFI with the same EFI partition.
        "-c", "/boot/boot.catalog", "-b", CORE_IMAGE, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
        "--grub2-boot-info", "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
        "-graft-points", *(f"/{quoted(name)}={quoted(os.fspath(path))}" for name, path in sorted(files.items())),
    ]  # fmt: skip


def appended(partitions: Sequence[Partition]) -> Iterator[str]:
    """The ISO itself is the first partition."""
    for number, each in enumerate(partitions, 2):
        yield from ("-append_partition", str(number), each.kind, os.fspath(each.file))


def disk_guid(label: str) -> str:
    """A GUID of its own for each label: firmware tells disks apart by it."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"kubeiso {label}"))


def quoted(path: str) -> str:
    """A path for a graft point, where "=" parts the two sides."""
    return path.replace("\\", "\\\\").replace("=", "\\=")


MAKER = Maker(
    "iso", write, tools=("grub-mkimage", "mcopy", "mformat", "mmd", "xorriso"),
    versions=("grub-mkimage", "mformat", "xorriso"), carried={"grub": "grub-mkimage"}, check=grub.check_installed,
)  # fmt: skip
