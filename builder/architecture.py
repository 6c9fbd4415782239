"""The machines that nodes can be: what each is called by Go, Debian, OCI, ELF, Linux and GRUB. One table."""

from collections.abc import Mapping
from dataclasses import dataclass

from builder.errors import InputError


@dataclass(frozen=True)
class Grub:
    """A platform of GRUB: its folder in /usr/lib/grub, the format of its core image, and Debian's package with it.

    modules: what its core image needs to reach the firmware's disks and screen, beside what it needs on each platform.
    """

    folder: str
    image: str
    package: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Qemu:
    """QEMU for such machines: its program and machine type, and the processors of guests that it emulates.

    emulated: no more than what nodes want. virtualising: one on which a guest's own KVM works.
    """

    program: str
    machine: str
    emulated: str
    virtualising: str


@dataclass(frozen=True)
class Platform:
    """name: the word in recipes. spoken: in sentences. kubernetes: the folder of Kubernetes' own builds, after the system's.

    go: the variables that choose it (go.dev/doc/install/source#environment). oci: image-spec's `platform.architecture`.
    elf: e_machine (System V ABI, registry of machines). kernel_image: the file that Linux' build makes to boot from.
    command_line: the bytes that the kernel takes (COMMAND_LINE_SIZE less the end).
    efi_file: the program that firmware starts from a medium (UEFI 2.10, 3.5.1.1). efi_stub: systemd's, which starts the
    kernel that is behind it in the same program (systemd-stub(7)). efi_menu: systemd's, which lets a person choose between such
    programs (systemd-boot(7)).
    """

    name: str
    spoken: str
    go: Mapping[str, str]
    kubernetes: str
    debian: str
    oci: str
    linuxkit: str
    elf: int
    kernel_image: str
    command_line: int
    bios: Grub
    efi: Grub
    efi_file: str
    efi_stub: str
    efi_menu: str
    qemu: Qemu


# x86-64-v2 and AES, and no more: 5-level page tables, SMAP and protection keys of `-cpu max` cost an emulator dearly. A boot to
# running services took 37 s of processor time with this one, 47 s with `max` (QEMU 7.2, one run each in a row).
_EMULATED = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+lahf-lm,+aes,+pclmulqdq,+rdrand,+fsgsbase"
# With SVM: a guest in the guest came to userspace in 14 s, and in 32 s on EPYC,+svm,+npt (QEMU 7.2, one run each).
_VIRTUALISING = "max"

AMD64 = Platform(
    name="amd64",
    spoken="x86-64",
    go={"GOOS": "linux", "GOARCH": "amd64", "GOAMD64": "v1"},
    kubernetes="amd64",
    debian="amd64",
    oci="amd64",
    linuxkit="amd64",
    elf=62,
    kernel_image="bzImage",
    command_line=2047,  # arch/x86/include/asm/setup.h
    bios=Grub("i386-pc", "i386-pc-eltorito", "grub-pc-bin", ("biosdisk",)),
    efi=Grub("x86_64-efi", "x86_64-efi", "grub-efi-amd64-bin", ("all_video", "efifwsetup", "fat")),
    efi_file="BOOTX64.EFI",
    efi_stub="linuxx64.efi.stub",
    efi_menu="systemd-bootx64.efi",
    qemu=Qemu("qemu-system-x86_64", "q35,vmport=off", emulated=_EMULATED, virtualising=_VIRTUALISING),
)
PLATFORMS: Mapping[str, Platform] = {each.name: each for each in (AMD64,)}


def platform(name: str) -> Platform:
    """Raises InputError for one that is not known."""
    if name not in PLATFORMS:
        raise InputError(f"there is no platform {name}", hint=f"known: {', '.join(PLATFORMS)}")
    return PLATFORMS[name]
