"""What a virtual machine is made of, and what is known of the host that runs it."""

import os
from enum import StrEnum
from pathlib import Path

from builder.architecture import AMD64, Qemu, platform
from builder.frozen import Frozen

PID_FILE = "qemu.pid"
CONSOLE_LOG = "console.log"
"""In a machine's directory: all that its console ever showed."""

SOCKET_PATH = 107
"""Bytes that the path of a unix socket may have: sun_path less its final zero, unix(7)."""


class Firmware(StrEnum):
    BIOS = "bios"
    UEFI = "uefi"


class Attachment(StrEnum):
    """How the medium is attached: as a CD drive, as a USB disk, as a virtio disk, or as a disk of another controller."""

    CDROM = "cdrom"
    USB = "usb"
    DISK = "disk"
    SATA = "sata"
    NVME = "nvme"
    SCSI = "scsi"
    PVSCSI = "pvscsi"
    LSI = "lsi"


CODE_CACHE = 3
"""An emulator may keep translated code in so much memory besides its guest's: one part in so many of that. What no longer fits is
translated anew: a master of 3072 MiB had 1024 MiB of code after four minutes, a worker of 1536 MiB 600 when it had joined."""


DISK = 16 << 30
"""Bytes of the disk that a machine boots from where the medium is a raw disk; the host gives what the guest has written."""


class Acceleration(Frozen):
    """How machines of a platform run here. `name` is "kvm" or "tcg"; `reason` says how that was found out."""

    name: str
    reason: str
    platform: str = AMD64.name

    @property
    def qemu(self) -> Qemu:
        return platform(self.platform).qemu

    def to_qemu(self, memory: int, *, virtualising: bool = False) -> list[str]:
        """The arguments for a guest with so much memory (MiB). virtualising: it runs virtual machines itself.

        KVM gives a guest that where the host's own modules allow it.
        """
        if self.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        processor = self.qemu.virtualising if virtualising else self.qemu.emulated
        return ["-accel", f"tcg,thread=multi,tb-size={memory // CODE_CACHE}", "-cpu", processor]

    def cpus(self, wanted: int, *, virtualising: bool = False, masters: int = 1) -> int:
        """How many processors a guest gets. masters: so many are in its cluster.

        Emulated guests get no more than this machine has for each master, and one at the least: a processor that waits for
        another of its guest, while neither runs, wastes its time. On two processors the second of two masters with two each
        joined after 20 minutes or not at all, with one each after 10.
        An emulated one that runs virtual machines itself has one.

        Its KVM replaces code of its kernel whenever a machine comes or goes. With two processors QEMU 7.2 ran code that was no
        more ("Oops: int3" in kvm_arch_vcpu_ioctl_run, when a second machine came up); with one thread for both (thread=single)
        a machine did not come up within four minutes, with one processor it took half a minute.
        """
        if self.name != "tcg":
            return wanted
        share = len(os.sched_getaffinity(0)) // masters
        return 1 if virtualising else max(1, min(wanted, share))


class Forward(Frozen):
    """TCP from 127.0.0.1:host_port into the guest."""

    host_port: int
    guest_port: int


class ClusterCard(Frozen):
    """What a machine's second NIC is plugged into: the switch that has its files in `directory`."""

    directory: Path

    @property
    def socket(self) -> Path:
        """vde_switch's directory for its sockets."""
        return self.directory / "vde"


class MachineSpec(Frozen):
    """All that decides QEMU's command line. Files and sockets of the machine live in `directory`. Memory in MiB.

    With `outbound` the guest reaches the host and what the host reaches; without it, only the forwards work.
    `metadata` is a volume with the label cidata, attached read-only; `state_disk` a raw file that the guest keeps its state on.
    `keys` is a folder with the certificates that the firmware (UEFI) trusts: Secure Boot is on then, and nothing else starts.
    With `virtualising` the guest has a processor that can run virtual machines.
    With `capture` all that passes a NIC is written to a file beside the console's log (pcap).
    """

    name: str
    directory: Path
    medium: Path
    attachment: Attachment = Attachment.CDROM
    firmware: Firmware = Firmware.BIOS
    acceleration: Acceleration
    memory: int = 3072
    cpus: int = 2
    forwards: tuple[Forward, ...] = ()
    outbound: bool = False
    cluster_network: ClusterCard | None = None
    metadata: Path | None = None
    state_disk: Path | None = None
    keys: Path | None = None
    capture: bool = False
    virtualising: bool = False
    extra: tuple[str, ...] = ()

    @property
    def console_log(self) -> Path:
        return self.directory / CONSOLE_LOG

    @property
    def console_socket(self) -> Path:
        return self.directory / "console.sock"

    @property
    def console_lock(self) -> Path:
        return self.directory / "console.lock"

    @property
    def control_socket(self) -> Path:
        return self.directory / "control.sock"

    @property
    def control_lock(self) -> Path:
        return self.directory / "control.lock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """What QEMU listens on."""
        return (self.console_socket, self.control_socket, self.qmp_socket)

    @property
    def qmp_socket(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def pid_file(self) -> Path:
        return self.directory / PID_FILE

    @property
    def stderr_log(self) -> Path:
        return self.directory / "qemu.log"

    @property
    def firmware_log(self) -> Path:
        return self.directory / "firmware.log"

    @property
    def firmware_variables(self) -> Path:
        return self.directory / "OVMF_VARS.fd"

    def absolute(self) -> "MachineSpec":
        """The same with whole paths: QEMU in the background works in another directory."""
        changed = {name: path.absolute() for name, path in self if isinstance(path, Path)}
        card = self.cluster_network
        if card:
            card = card.model_copy(update={"directory": card.directory.absolute()})
        return self.model_copy(update={**changed, "cluster_network": card})

    def capture_file(self, netdev: str) -> Path:
        """Where what passes a NIC goes, in tcpdump's format."""
        return self.directory / f"{netdev}.pcap"

    @property
    def efi_disk(self) -> Path | None:
        """The disk that a medium which is a program for UEFI lies on; none for one that is a disk itself."""
        return self.directory / "efi.img" if self.medium.suffix == ".efi" else None

    @property
    def overlay(self) -> Path | None:
        """Where what the guest writes to a disk medium goes; an ISO or a CD has none, if it can be attached read-only."""
        is_iso = self.medium.suffix == ".iso" and self.attachment is not Attachment.SATA  # whose disks can always be written
        read_only = is_iso or self.attachment is Attachment.CDROM
        return None if read_only or self.efi_disk else self.directory / "disk.qcow2"
