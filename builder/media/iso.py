"""Root tar -> one ISO that boots with BIOS and with UEFI, as a CD and as a disk."""

import os
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from builder.errors import BuildError, InputError
from builder.media import grub, initrd, modules
from builder.media.layers import make_layers
from builder.media.model import Media, MediaRequest
from builder.media.tree import Tree, read_tree
from builder.progress import step
from builder.run import run
from builder.store import Digest, Store, file_digest
from builder.tarball import EPOCH
from builder.workplace import sweep, workdir

LABEL = re.compile(r"[A-Z0-9_]{1,32}")  # ISO 9660 d-characters, ECMA-119 section 8.4.8
ASIDE = ".kubeiso-iso-"
CORE_IMAGE = "/boot/grub/eltorito.img"
FIXED_TIME = time.strftime("%Y%m%d%H%M%S00", time.gmtime(EPOCH))
EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"  # GPT partition types: UEFI specification, section 5.3.3
BASIC_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"


def layer_path(digest: Digest) -> str:
    """Where a layer lies on the medium, relative to its root."""
    return f"kubeiso/layer-{digest.removeprefix('sha256:')[:16]}.squashfs"


def make_iso(request: MediaRequest, store: Store, target: Path) -> Media:
    """Makes the ISO of a root tree; `target` appears only when it is whole. Same request, same host tools: same bits.

    Raises InputError for a label or a kernel command line that no medium can carry, BuildError for a root tree without a
    kernel, ToolMissing.
    """
    check_label(request.label)
    with step(f"making {target.name}"), store.workdir("iso") as work:
        tree = read_tree(store.path(request.root))
        kernel = boot_file(tree, "boot/kernel")
        cmdline = boot_file(tree, "boot/cmdline").decode().strip()
        menu = grub.menu(request.label, cmdline)
        selection = modules.select(tree, modules.kernel_version(kernel))
        squashed = make_layers(tree, store, request.changing)
        layers = {layer_path(digest): store.path(digest) for digest in squashed}
        ramdisk = make_ramdisk(request, tree, list(layers), selection, store)
        core, efi = grub.make_core_images(work, request.label)
        files = {
            "boot/kernel": store.path(store.put(kernel)),
            "boot/initrd.img": store.path(ramdisk),
            "boot/cmdline": written(work / "cmdline", cmdline + "\n"),
            "boot/grub/grub.cfg": written(work / "grub.cfg", menu),
            CORE_IMAGE.lstrip("/"): core,
            **layers,
        }
        write_iso(target, request.label, files, efi)
    return Media(
        path=target, format="iso", label=request.label, size=target.stat().st_size, sha256=file_digest(target),
        kernel=store.put(kernel), initrd=ramdisk, cmdline=cmdline, layers=tuple(squashed),
    )  # fmt: skip


def check_label(label: str) -> None:
    if not LABEL.fullmatch(label):
        raise InputError(f"{label!r} can't be a volume label", why="ISO 9660 takes 1 to 32 of A-Z, 0-9 and _")


def boot_file(tree: Tree, path: str) -> bytes:
    node = tree.find(path)
    if node is None or not node.info.isreg():
        raise BuildError(f"the root tree has no {path}", hint="the LinuxKit YAML needs a kernel image with a kernel in it")
    return tree.read(node)


def make_ramdisk(request: MediaRequest, tree: Tree, layers: list[str], selection: modules.Selection, store: Store) -> Digest:
    settings = initrd.config(request.label, layers, selection.always)
    microcode = tree.find("boot/ucode.cpio")
    program = store.read(request.initrd_program)
    return initrd.make_initrd(program, selection, settings, tree.read(microcode) if microcode else b"", store)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def write_iso(target: Path, label: str, files: Mapping[str, Path], efi: Path) -> None:
    """Writes the ISO aside and renames it; what a killed run left there is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent, ASIDE)
    with workdir(target.parent, ASIDE) as aside:
        made = aside / target.name
        run(xorriso_argv(made, label, files, efi), env={"SOURCE_DATE_EPOCH": str(EPOCH)}, timeout=None)
        made.replace(target)


def xorriso_argv(target: Path, label: str, files: Mapping[str, Path], efi: Path) -> list[str]:
    """The whole command line. `files`: path on the medium -> file; `efi`: the FAT image with the UEFI boot program."""
    return [
        "xorriso", "-as", "mkisofs", "-o", os.fspath(target), "-V", label,
        # Rock Ridge alone: no second tree of names. Level 3 allows a layer of 4 GiB and more.
        "-R", "-iso-level", "3", "-uid", "0", "-gid", "0", "-dir-mode", "0555", "-file-mode", "0444",
        f"--modification-date={FIXED_TIME}", "--set_all_file_dates", FIXED_TIME, "--gpt_disk_guid", disk_guid(label),
        # As a disk: GRUB in the master boot record for BIOS; GPT with the ISO as first partition and the EFI one behind it.
        "--grub2-mbr", os.fspath(grub.MBR), "--protective-msdos-label", "-partition_cyl_align", "off", "-partition_offset", "16",
        "--mbr-force-bootable", "-append_partition", "2", EFI_SYSTEM, os.fspath(efi), "-appended_part_as_gpt",
        "-iso_mbr_part_type", BASIC_DATA,
        # As a CD: El Torito, first for BIOS, then for UEFI with the same EFI partition.
        "-c", "/boot/boot.catalog", "-b", CORE_IMAGE, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
        "--grub2-boot-info", "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
        "-graft-points", *(f"/{quoted(name)}={quoted(os.fspath(path))}" for name, path in sorted(files.items())),
    ]  # fmt: skip


def disk_guid(label: str) -> str:
    """A GUID of its own for each label: firmware tells disks apart by it."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"kubeiso {label}"))


def quoted(path: str) -> str:
    """A path for a graft point, where "=" parts the two sides."""
    return path.replace("\\", "\\\\").replace("=", "\\=")
