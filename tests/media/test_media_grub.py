"""The boot menu and GRUB's core images."""

import time
from pathlib import Path

import pytest

from builder.architecture import AMD64
from builder.errors import InputError, ToolMissing
from builder.fat import write_efi
from builder.media import grub
from builder.media.grub import check_installed, early_config, make_bios_image, make_efi_program, menu, mkimage_argv, words
from builder.run import run


@pytest.mark.parametrize(
    ("cmdline", "expected"),
    [
        ("console=ttyS0 quiet", ["console=ttyS0", "quiet"]),
        ("  a\t b\n", ["a", "b"]),
        ('a="x y" b', ["a=x y", "b"]),
        ('"a=x y"', ["a=x y"]),
        ("a=$root;b={c}", ["a=$root;b={c}"]),
        ("", []),
    ],
)
def test_words_are_split_as_the_kernel_does(cmdline: str, expected: list[str]) -> None:
    assert words(cmdline) == expected


@pytest.mark.parametrize("cmdline", ["a=it's", "a=b\\c"])
def test_what_grub_would_change_is_refused(cmdline: str) -> None:
    with pytest.raises(InputError, match="boot loader"):
        menu("LABEL", cmdline)


def test_the_whole_menu() -> None:
    assert (
        menu("LABEL", 'quiet a="x y"')
        == """\
if [ "$grub_platform" = efi ]; then
  set gfxpayload=keep
elif serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
set default=0
set timeout_style=hidden
set timeout=1
menuentry 'LABEL' {
  linux /boot/kernel 'quiet' 'a=x y'
  initrd /boot/initrd.img
}
menuentry 'LABEL, with every message of the kernel' {
  linux /boot/kernel 'quiet' 'a=x y' ignore_loglevel
  initrd /boot/initrd.img
}
menuentry 'LABEL, with its console on the first serial port' {
  linux /boot/kernel 'quiet' 'a=x y' console=ttyS0,115200n8
  initrd /boot/initrd.img
}
if [ "$grub_platform" = efi ]; then
  menuentry 'The settings of the firmware' {
    fwsetup
  }
fi
"""
    )


def test_grub_itself_finds_no_fault_in_the_menu() -> None:
    run(["grub-script-check"], input=menu("LABEL", "console=tty0 a=${b} c;d"))


def test_the_medium_is_found_by_its_label() -> None:
    assert early_config("LABEL") == (
        "search --no-floppy --label LABEL --set=root --hint ${root}\nset prefix=(${root})/boot/grub\n"
    )


def test_the_core_images_command_line() -> None:
    assert mkimage_argv(AMD64.bios, Path("/w/early.cfg"), Path("/w/core")) == [
        "grub-mkimage", "-O", "i386-pc-eltorito", "-d", "/usr/lib/grub/i386-pc", "-o", "/w/core", "-p", "/boot/grub",
        "-c", "/w/early.cfg", "biosdisk", "configfile", "echo", "iso9660", "linux", "normal", "part_gpt", "part_msdos",
        "search", "search_label", "serial", "test",
    ]  # fmt: skip


def test_core_images_have_the_same_bits_at_another_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two", "three"):  # FAT keeps time in steps of two seconds
        (tmp_path / name).mkdir()
        core = make_bios_image(tmp_path / name, "LABEL", AMD64)
        program = make_efi_program(tmp_path / name, "LABEL", tmp_path / name / "BOOTX64.EFI", AMD64)
        efi = write_efi(tmp_path / name / "efi.img", {"EFI/BOOT/BOOTX64.EFI": program})
        made.append((core.read_bytes(), efi.read_bytes()))
        time.sleep(1.1)
    assert made[0] == made[1] == made[2]
    listed = run(["mdir", "-b", "-/", "-i", tmp_path / "one" / "efi.img", "::"]).stdout.split()
    assert "::/EFI/BOOT/BOOTX64.EFI" in listed


def test_a_host_without_grubs_files_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grub, "LIBRARY", tmp_path)
    with pytest.raises(ToolMissing) as caught:
        check_installed(AMD64)
    assert "apt-get install grub-pc-bin grub-efi-amd64-bin " in str(caught.value)
