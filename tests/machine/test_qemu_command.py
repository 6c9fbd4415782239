"""QEMU's whole argument list, word by word, for each firmware, attachment and acceleration."""

from itertools import product
from pathlib import Path

import pytest

from builder.machine.model import Acceleration, Attachment, Firmware, Forward, MachineSpec
from builder.machine.qemu import command, mac_address, machine_id

DIRECTORY = Path("/state/one")
KVM = Acceleration(name="kvm", reason="seen")
TCG = Acceleration(name="tcg", reason="seen")

ACCELERATION = {
    "kvm": "-accel kvm -cpu host",
    "tcg": (
        "-accel tcg,thread=multi,tb-size=1024"
        " -cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+lahf-lm,+aes,+pclmulqdq,+rdrand,+fsgsbase"
    ),
}


def block(name: str, path: str, read_only: str) -> str:
    file = f'{{"driver": "file", "filename": "{path}", "read-only": {read_only}}}'
    return f'{{"driver": "raw", "node-name": "{name}", "read-only": {read_only}, "file": {file}}}'


FIRMWARE = {
    Firmware.BIOS: [
        "-chardev", "file,id=firmware,path=/state/one/firmware.log", "-device", "isa-debugcon,iobase=0x402,chardev=firmware",
    ],
    Firmware.UEFI: [
        "-blockdev",
        block("code", "/usr/share/OVMF/OVMF_CODE_4M.fd", "true"),
        "-blockdev",
        block("vars", "/state/one/OVMF_VARS.fd", "false"),
        "-machine", "pflash0=code,pflash1=vars",
    ],
}  # fmt: skip
ATTACHMENT = {
    Attachment.CDROM: "-device ide-cd,drive=medium,bootindex=1",
    Attachment.USB: "-device qemu-xhci -device usb-storage,drive=medium,bootindex=1,removable=on",
    Attachment.DISK: "-device virtio-blk-pci,drive=medium,bootindex=1",
}


def spec(**changes: object) -> MachineSpec:
    fields: dict[str, object] = {"name": "one", "directory": DIRECTORY, "medium": Path("/out/node.iso"), "acceleration": TCG}
    return MachineSpec.model_validate({**fields, **changes})


@pytest.mark.parametrize(("firmware", "attachment", "acceleration"), list(product(Firmware, Attachment, (KVM, TCG))))
def test_the_whole_command(firmware: Firmware, attachment: Attachment, acceleration: Acceleration) -> None:
    machine = spec(
        firmware=firmware, attachment=attachment, acceleration=acceleration, memory=2048, cpus=4, extra=("-snapshot",),
        forwards=(Forward(host_port=20000, guest_port=6443), Forward(host_port=20001, guest_port=30002)),
    )  # fmt: skip
    assert command(machine) == [
        "qemu-system-x86_64", "-name", "guest=one", "-uuid", str(machine_id(machine)),
        "-nodefaults", "-no-user-config", "-machine", "q35,vmport=off", *ACCELERATION[acceleration.name].split(),
        "-smp", "4", "-m", "2048", "-rtc", "base=utc", "-display", "none", "-device", "VGA",
        "-chardev", "socket,id=console,path=/state/one/console.sock,server=on,wait=off,logfile=/state/one/console.log",
        "-serial", "chardev:console",
        "-chardev", "socket,id=qmp,path=/state/one/qmp.sock,server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        *FIRMWARE[firmware],
        "-blockdev", block("medium", "/out/node.iso", "true"),
        *ATTACHMENT[attachment].split(),
        "-netdev", "user,id=access,restrict=on,hostfwd=tcp:127.0.0.1:20000-:6443,hostfwd=tcp:127.0.0.1:20001-:30002",
        "-device", f"virtio-net-pci,netdev=access,mac={mac_address(machine, 0)},romfile=",
        "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        "-S", "-daemonize", "-pidfile", "/state/one/qemu.pid", "-D", "/state/one/qemu.log", "-d", "strace",
        "-snapshot",
    ]  # fmt: skip


def after(argv: list[str], option: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == option]


def test_a_disk_image_is_written_to_an_overlay_only() -> None:
    argv = command(spec(medium=Path("/out/node.vmdk"), attachment=Attachment.DISK))
    (medium,) = after(argv, "-blockdev")
    assert '"driver": "qcow2"' in medium
    assert '"filename": "/state/one/disk.qcow2", "read-only": false' in medium
    assert "node.vmdk" not in medium


def test_commas_in_paths_do_not_become_options() -> None:
    argv = command(spec(directory=Path("/a,b")))
    assert "socket,id=qmp,path=/a,,b/qmp.sock,server=on,wait=off" in after(argv, "-chardev")
    assert after(argv, "-pidfile") == ["/a,b/qemu.pid"]


def test_the_guest_reaches_out_only_when_asked() -> None:
    assert after(command(spec()), "-netdev") == ["user,id=access,restrict=on"]
    assert after(command(spec(outbound=True)), "-netdev") == ["user,id=access,restrict=off"]


def test_forwards_listen_on_loopback_only() -> None:
    (network,) = after(command(spec(forwards=(Forward(host_port=1025, guest_port=22),))), "-netdev")
    assert "hostfwd=tcp:127.0.0.1:1025-:22" in network.split(",")


def test_machines_differ_in_what_must_be_unique() -> None:
    one, two = spec(), spec(name="two")
    assert machine_id(one) != machine_id(two)
    assert mac_address(one, 0) != mac_address(two, 0) != mac_address(two, 1)
    assert machine_id(one) == machine_id(spec())
    assert mac_address(one, 0).startswith("52:54:00:")
