"""GRUB from the host's packages: the menu, a core image for BIOS, and a FAT image with one for UEFI.

The core images hold every GRUB module that is needed, so that the medium carries none.
"""

import os
from pathlib import Path

from builder.architecture import Grub, Platform
from builder.errors import InputError, ToolMissing
from builder.media.entries import ENTRIES
from builder.run import run

LIBRARY = Path("/usr/lib/grub")
PREFIX = "/boot/grub"
COMMON = (
    "configfile",
    "echo",
    "iso9660",
    "linux",
    "normal",
    "part_gpt",
    "part_msdos",
    "search",
    "search_label",
    "serial",
    "test",
)

EARLY = """\
search --no-floppy --label {label} --set=root --hint ${{root}}
set prefix=(${{root}}){prefix}
"""

# UEFI's console is on the serial port already where the firmware is set so. A hidden menu draws nothing there; Esc within the
# second shows it.
MENU = """\
if [ "$grub_platform" = efi ]; then
  set gfxpayload=keep
elif serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
set default=0
set timeout_style=hidden
set timeout=1
{entries}if [ "$grub_platform" = efi ]; then
  menuentry 'The settings of the firmware' {{
    fwsetup
  }}
fi
"""
ENTRY = """\
menuentry '{title}' {{
  linux /boot/kernel {words}
  initrd /boot/initrd.img
}}
"""


def early_config(label: str) -> str:
    """Runs before the menu: the boot device is not always the file system that holds the menu."""
    return EARLY.format(label=label, prefix=PREFIX)


def menu(label: str, cmdline: str) -> str:
    """grub.cfg. Raises InputError for a kernel command line that GRUB can't hand on unchanged."""
    given = [f"'{word}'" for word in words(cmdline)]
    entries = (ENTRY.format(title=label + each.title, words=" ".join([*given, *each.more.split()])) for each in ENTRIES)
    return MENU.format(entries="".join(entries))


def words(cmdline: str) -> list[str]:
    """Splits as the kernel does (lib/cmdline.c): double quotes hold blanks together. GRUB puts such quotes back itself."""
    found, quoted = [""], False
    for char in cmdline.strip():
        if char in "'\\":
            raise InputError(f"the kernel argument {found[-1] + char!r} has a character that the boot loader can't hand on")
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            found.append("")
        else:
            found[-1] += char
    return [word for word in found if word]


def mbr(platform: Platform) -> Path:
    """GRUB for the master boot record."""
    return LIBRARY / platform.bios.folder / "boot_hybrid.img"


def mkimage_argv(grub: Grub, config: Path, target: Path) -> list[str]:
    return [
        "grub-mkimage", "-O", grub.image, "-d", os.fspath(LIBRARY / grub.folder),
        "-o", os.fspath(target), "-p", PREFIX, "-c", os.fspath(config), *grub.modules, *COMMON,
    ]  # fmt: skip


def check_installed(platform: Platform) -> None:
    """Raises ToolMissing when the host lacks GRUB's files for one of the two firmwares."""
    packages = {mbr(platform): platform.bios.package, LIBRARY / platform.efi.folder / "moddep.lst": platform.efi.package}
    if missing := {file: package for file, package in packages.items() if not file.is_file()}:
        what = f"GRUB's {' and '.join(map(str, missing))} {'are' if len(missing) > 1 else 'is'} not installed"
        raise ToolMissing(what, hint=f"apt-get install {' '.join(missing.values())}   (or: make setup)")


def make_bios_image(work: Path, label: str, platform: Platform) -> Path:
    """The El Torito image for BIOS."""
    core = work / "eltorito.img"
    run(mkimage_argv(platform.bios, _early(work, label), core))
    return core


def make_efi_program(work: Path, label: str, target: Path, platform: Platform) -> Path:
    """GRUB as a program for UEFI."""
    run(mkimage_argv(platform.efi, _early(work, label), target))
    return target


def _early(work: Path, label: str) -> Path:
    config = work / "early.cfg"
    config.write_text(early_config(label))
    return config
