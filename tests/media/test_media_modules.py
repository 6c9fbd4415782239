"""Which modules an initrd needs."""

import io
from pathlib import Path

import pytest
from media_samples import MODULES, VERSION, Item, item, kernel, link, node_items, tree_of

from builder.architecture import AMD64
from builder.errors import BuildError
from builder.media.modules import closure, drivers, kernel_version, module_name, parse, reduced, select
from builder.progress import Lines, use

DEP = """\
kernel/fs/isofs/isofs.ko: kernel/drivers/cdrom/cdrom.ko
kernel/drivers/cdrom/cdrom.ko:
kernel/drivers/usb/host/xhci-pci.ko: kernel/drivers/usb/host/xhci-hcd.ko kernel/drivers/usb/usbcore.ko
kernel/drivers/usb/host/xhci-hcd.ko: kernel/drivers/usb/usbcore.ko
kernel/drivers/usb/usbcore.ko:
kernel/lib/crc-t10dif.ko:
kernel/arch/crct10dif-pclmul.ko:
kernel/crypto/crct10dif_generic.ko:
kernel/sound/snd.ko:
"""
ALIAS = """\
# Aliases extracted from modules themselves.
alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci
alias crct10dif crct10dif_pclmul
alias crct10dif crct10dif_generic
alias dmi*:svn*Some Maker*: snd
"""
SOFTDEP = """\
# Soft dependencies extracted from modules themselves.
softdep crc_t10dif pre: crct10dif
softdep crc_t10dif post: lost circle
softdep snd pre: snd-seq
"""
TABLES = parse(DEP, ALIAS, SOFTDEP)


def test_a_closure_has_what_the_modules_need_and_nothing_else() -> None:
    assert [module_name(path) for path in closure(TABLES, ["isofs", "xhci_pci", "built_in"])] == [
        "cdrom", "xhci_hcd", "xhci_pci", "usbcore", "isofs",
    ]  # fmt: skip


def test_a_closure_follows_soft_dependencies_through_aliases() -> None:
    assert {module_name(path) for path in closure(TABLES, ["crc-t10dif"])} == {
        "crc_t10dif", "crct10dif_pclmul", "crct10dif_generic",
    }  # fmt: skip


def test_an_alias_for_itself_ends() -> None:
    assert closure(parse("", "alias x x\nalias x y\nalias y x\n", ""), ["x"]) == []


def test_the_reduced_tables_know_only_the_chosen_modules() -> None:
    tables = reduced(TABLES, ["kernel/drivers/usb/host/xhci-pci.ko", "kernel/lib/crc-t10dif.ko"])
    assert tables == {
        "modules.dep": b"kernel/drivers/usb/host/xhci-pci.ko: kernel/drivers/usb/host/xhci-hcd.ko kernel/drivers/usb/usbcore.ko\n"
        b"kernel/lib/crc-t10dif.ko:\n",
        "modules.alias": b"alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci\n",
        "modules.softdep": b"softdep crc_t10dif pre: crct10dif\nsoftdep crc_t10dif post: lost circle\n",
    }


def test_a_medium_may_hang_on_whatever_storage_driver_the_node_has_that_hardware_asks_for() -> None:
    base = "kernel/drivers"
    asked = {
        f"{base}/scsi/lpfc/lpfc.ko": "pci:v000010DFd*", f"{base}/ata/pata_acpi.ko": "acpi*:PNP0600:*",
        f"{base}/hv/hv_vmbus.ko": "acpi*:VMBUS:*", f"{base}/usb/host/xhci-pci.ko": "pci:v*bc0Csc03i30*",
    }  # fmt: skip
    not_asked = {
        f"{base}/net/ethernet/e1000.ko": "pci:v00008086d*", f"{base}/hv/hv_balloon.ko": "vmbus:1c*",
        f"{base}/scsi/ses.ko": "scsi:t-0x0d*", f"{base}/block/nbd.ko": "block-major-43-*",
    }  # fmt: skip
    dep = "".join(f"{path}:\n" for path in {**asked, **not_asked, f"{base}/scsi/libfc.ko": ""})
    alias = "".join(f"alias {alias} {module_name(path)}\n" for path, alias in {**asked, **not_asked}.items())
    assert drivers(parse(dep, alias, "")) == sorted(map(module_name, asked))


@pytest.mark.parametrize(
    ("modules", "further"), [(MODULES, []), ("usr/" + MODULES, []), ("usr/" + MODULES, [link("lib", "usr/lib")])]
)
def test_modules_are_found_in_lib_and_in_a_merged_usr(tmp_path: Path, modules: str, further: list[Item]) -> None:
    selection = select(tree_of(tmp_path, *node_items(modules=modules), *further), VERSION)
    assert (selection.version, selection.always) == (VERSION, ("loop",))
    assert selection.files == {
        "kernel/loop.ko": b"loop module",
        "modules.dep": b"kernel/loop.ko:\n",
        "modules.alias": b"alias devname:loop-control loop\n",
        "modules.softdep": b"",
    }


def test_a_tree_without_modules_gives_none_and_says_so(tmp_path: Path) -> None:
    said = io.StringIO()
    before = use(Lines(said))
    try:
        assert select(tree_of(tmp_path, item("boot/kernel", kernel())), VERSION).files == {}
    finally:
        use(before)
    assert f"no modules for its kernel {VERSION}" in said.getvalue()


def test_modules_without_tables_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=f"no /{MODULES}/modules.dep"):
        select(tree_of(tmp_path, item(f"{MODULES}/kernel/loop.ko")), VERSION)


def test_the_release_is_read_from_the_kernel() -> None:
    assert kernel_version(kernel("6.12.48-amd64"), AMD64) == "6.12.48-amd64"


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(4096)])
def test_what_is_no_kernel_is_an_error(data: bytes) -> None:
    with pytest.raises(BuildError, match="no Linux kernel"):
        kernel_version(data, AMD64)
