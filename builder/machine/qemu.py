"""QEMU's command line for a machine: what is here only describes, `launch` runs it."""

import hashlib
import json
import uuid
from pathlib import Path

from builder.console.control import PORT
from builder.machine.model import Attachment, ClusterCard, Firmware, MachineSpec

# Debian's and Ubuntu's package ovmf. What guards its variables, for Secure Boot, does so in system management mode.
OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_SECURE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

# Formats of disk files by the ends of their names; all else is taken as raw.
FORMATS = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vhd": "vpc", ".vdi": "vdi"}

# The devices of a medium; scsi is virtio's, lsi a 53C895A, as old machines have.
_SCSI_DISK = "scsi-hd,drive=medium,bootindex=1"
MEDIUM = {
    Attachment.CDROM: ("ide-cd,drive=medium,bootindex=1",),
    Attachment.USB: ("qemu-xhci", "usb-storage,drive=medium,bootindex=1,removable=on"),
    Attachment.DISK: ("virtio-blk-pci,drive=medium,bootindex=1",),
    Attachment.SATA: ("ide-hd,drive=medium,bootindex=1",),
    Attachment.NVME: ("nvme,drive=medium,serial=medium,bootindex=1",),
    Attachment.SCSI: ("virtio-scsi-pci", _SCSI_DISK),
    Attachment.PVSCSI: ("pvscsi", _SCSI_DISK),
    Attachment.LSI: ("lsi53c895a", _SCSI_DISK),
}

ACCESS, CLUSTER = "access", "cluster"
"""The NICs by the names of their netdevs, which `set_link` takes."""

CONSOLE, CONTROL = "console", "control"
"""The guest's channels by the names of their chardevs."""

_NAMESPACE = uuid.UUID("5d0d8c3e-7f2b-5d0b-9a57-6b7562650000")


def command(spec: MachineSpec) -> list[str]:
    """The whole argument list: a paused machine in the background, with console, QMP and logs in its directory.

    It has a serial console on a unix socket that is also logged from the first byte of its first start, kubeiso's own line into
    the guest on another, which nothing logs, QMP on a third, a screen for screendumps, and one NIC behind QEMU's own NAT; a
    second NIC, metadata and a state disk where the specification has them.
    Reboots work: nothing turns a reset into an end.
    """
    qemu = spec.acceleration.qemu
    return [
        qemu.program, "-name", f"guest={_option(spec.name)}", "-uuid", str(machine_id(spec)),
        "-nodefaults", "-no-user-config", "-machine", qemu.machine,
        *spec.acceleration.to_qemu(spec.memory, virtualising=spec.virtualising),
        "-smp", str(spec.cpus), "-m", str(spec.memory), "-rtc", "base=utc",
        "-display", "none", "-device", "VGA",
        *_channels(spec), *_firmware(spec), *_medium(spec), *_volumes(spec), *_network(spec),
        "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        *_control(spec), *_process(spec), *spec.extra,
    ]  # fmt: skip


def machine_id(spec: MachineSpec) -> uuid.UUID:
    """The DMI product UUID. kubeadm wants a different one on each node."""
    return uuid.uuid5(_NAMESPACE, f"{spec.directory}/{spec.name}")


def mac_address(spec: MachineSpec, index: int) -> str:
    """A locally administered address in QEMU's range, of its own for each machine and NIC."""
    tail = hashlib.sha256(f"{spec.directory}/{spec.name}/{index}".encode()).digest()[:3]
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)


def image_format(path: Path) -> str:
    return FORMATS.get(path.suffix, "raw")


def disk_file(spec: MachineSpec) -> Path:
    """What is attached: an ISO itself, read-only; of any other disk an overlay, so that the medium stays as it was built."""
    return spec.overlay or spec.efi_disk or spec.medium


def _channels(spec: MachineSpec) -> list[str]:
    console = f"path={_option(spec.console_socket)},server=on,wait=off,logfile={_option(spec.console_log)},logappend=on"
    return [
        "-chardev", f"socket,id={CONSOLE},{console}", "-serial", f"chardev:{CONSOLE}",
        "-chardev", f"socket,id=qmp,path={_option(spec.qmp_socket)},server=on,wait=off", "-mon", "chardev=qmp,mode=control",
    ]  # fmt: skip


def _control(spec: MachineSpec) -> list[str]:
    """Last of the devices, so that no other one has another place than without it."""
    channel = f"socket,id={CONTROL},path={_option(spec.control_socket)},server=on,wait=off"
    port = f"virtserialport,chardev={CONTROL},name={PORT}"
    return ["-chardev", channel, "-device", "virtio-serial-pci", "-device", port]


def _firmware(spec: MachineSpec) -> list[str]:
    if spec.firmware is Firmware.BIOS:
        # SeaBIOS tells at I/O port 0x402 what it tries to boot from: https://www.seabios.org/Debugging
        log = f"file,id=firmware,path={_option(spec.firmware_log)}"
        return ["-chardev", log, "-device", "isa-debugcon,iobase=0x402,chardev=firmware"]
    return [
        *_pflash("code", ovmf_code(spec), read_only=True), *_pflash("vars", spec.firmware_variables, read_only=False),
        "-machine", "pflash0=code,pflash1=vars",
        *(("-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on") if spec.keys else ()),
    ]  # fmt: skip


def ovmf_code(spec: MachineSpec) -> Path:
    """The firmware's program."""
    return OVMF_SECURE_CODE if spec.keys else OVMF_CODE


def _pflash(name: str, path: Path, *, read_only: bool) -> list[str]:
    return ["-blockdev", _block(name, "raw", path, read_only=read_only)]


def _medium(spec: MachineSpec) -> list[str]:
    path = disk_file(spec)
    block = _block("medium", image_format(path), path, read_only=spec.overlay is None)
    return ["-blockdev", block, *(word for device in MEDIUM[spec.attachment] for word in ("-device", device))]


def _volumes(spec: MachineSpec) -> list[str]:
    """Disks after the medium. The guest finds them by their labels; their serials are for /dev/disk/by-id and for people.

    What the guest flushes to its state disk goes to the host's page cache and no further: it outlives the machine, however that
    ends, but not a crash of the host itself. etcd waits for a flush with each write, and the nodes of a cluster share one disk.
    """
    words = []
    if spec.metadata:
        words += _volume("metadata", spec.metadata, serial="cidata", read_only=True)
    if spec.state_disk:
        words += _volume("state", spec.state_disk, serial="state", read_only=False)
    return words


def _volume(name: str, path: Path, *, serial: str, read_only: bool) -> list[str]:
    writing = {} if read_only else {"discard": "unmap", "cache": {"no-flush": True}}
    block = _block(name, "raw", path, read_only=read_only, **writing)
    return ["-blockdev", block, "-device", f"virtio-blk-pci,drive={name},serial={serial}"]


def _block(name: str, driver: str, path: Path, *, read_only: bool, **options: object) -> str:
    file = {"driver": "file", "filename": str(path), "read-only": read_only, **options}
    return json.dumps({"driver": driver, "node-name": name, "read-only": read_only, **options, "file": file})


def _network(spec: MachineSpec) -> list[str]:
    # restrict: without `outbound` the guest reaches neither the host nor anything beyond it; the forwards work all the same.
    options = ["user", f"id={ACCESS}", f"restrict={'off' if spec.outbound else 'on'}"]
    options += [f"hostfwd=tcp:127.0.0.1:{forward.host_port}-:{forward.guest_port}" for forward in spec.forwards]
    words = _card(spec, ACCESS, 0, ",".join(options))
    if spec.cluster_network:
        words += _card(spec, CLUSTER, 1, plug(spec.cluster_network))
    return words


def plug(card: ClusterCard) -> str:
    """The value of -netdev that plugs a machine into a cluster's switch."""
    return f"vde,id={CLUSTER},sock={_option(card.socket)},mode=0600"


def _card(spec: MachineSpec, name: str, index: int, netdev: str) -> list[str]:
    # An empty romfile: no network boot, which would take its time before the medium's turn.
    words = ["-netdev", netdev, "-device", f"virtio-net-pci,netdev={name},mac={mac_address(spec, index)},romfile="]
    if spec.capture:
        words += ["-object", f"filter-dump,id=capture-{name},netdev={name},file={_option(spec.capture_file(name))}"]
    return words


def _process(spec: MachineSpec) -> list[str]:
    # With -D and some -d, a process in the background keeps its stderr in that file instead of losing it. System calls of
    # user-mode emulation are what a machine never has; other choices write megabytes.
    log = ["-D", str(spec.stderr_log), "-d", "strace"]
    return ["-S", "-daemonize", "-pidfile", str(spec.pid_file), *log]


def _option(value: str | Path) -> str:
    """A value inside QEMU's comma-separated options, where a comma is written twice."""
    return str(value).replace(",", ",,")
