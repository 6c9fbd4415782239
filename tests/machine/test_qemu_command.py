"""QEMU's whole argument list, word by word, for each firmware, attachment and acceleration."""

from itertools import product
from pathlib import Path

import pytest

from builder.machine.model import Acceleration, Attachment, ClusterCard, Firmware, Forward, MachineSpec
from builder.machine.qemu import command, mac_address, machine_id

DIRECTORY = Path("/state/one")
KVM = Acceleration(name="kvm", reason="seen")
TCG = Acceleration(name="tcg", reason="seen")

ACCELERATION = {
    "kvm": "-accel kvm -cpu host",
    "tcg": (
        "-accel tcg,thread=multi,tb-size=682"
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
    Attachment.SATA: "-device ide-hd,drive=medium,bootindex=1",
    Attachment.NVME: "-device nvme,drive=medium,serial=medium,bootindex=1",
    Attachment.SCSI: "-device virtio-scsi-pci -device scsi-hd,drive=medium,bootindex=1",
    Attachment.PVSCSI: "-device pvscsi -device scsi-hd,drive=medium,bootindex=1",
    Attachment.LSI: "-device lsi53c895a -device scsi-hd,drive=medium,bootindex=1",
}


# A SATA disk can be written, so an ISO is one by way of an overlay.
MEDIUM = {
    Attachment.SATA: '{"driver": "qcow2", "node-name": "medium", "read-only": false, '
    '"file": {"driver": "file", "filename": "/state/one/disk.qcow2", "read-only": false}}'
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
        "-chardev",
        "socket,id=console,path=/state/one/console.sock,server=on,wait=off,logfile=/state/one/console.log,logappend=on",
        "-serial", "chardev:console",
        "-chardev", "socket,id=qmp,path=/state/one/qmp.sock,server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        *FIRMWARE[firmware],
        "-blockdev", MEDIUM.get(attachment, block("medium", "/out/node.iso", "true")),
        *ATTACHMENT[attachment].split(),
        "-netdev", "user,id=access,restrict=on,hostfwd=tcp:127.0.0.1:20000-:6443,hostfwd=tcp:127.0.0.1:20001-:30002",
        "-device", f"virtio-net-pci,netdev=access,mac={mac_address(machine, 0)},romfile=",
        "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
        "-chardev", "socket,id=control,path=/state/one/control.sock,server=on,wait=off",
        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control,name=kubeiso.control",
        "-S", "-daemonize", "-pidfile", "/state/one/qemu.pid", "-D", "/state/one/qemu.log", "-d", "strace",
        "-snapshot",
    ]  # fmt: skip


@pytest.mark.parametrize(("acceleration", "processor"), [(KVM, "host"), (TCG, "max")])
def test_a_machine_that_runs_machines_itself_has_a_processor_for_that(acceleration: Acceleration, processor: str) -> None:
    argv = command(spec(acceleration=acceleration, virtualising=True))
    assert argv[argv.index("-cpu") + 1] == processor
    plain = command(spec(acceleration=acceleration))
    plain[plain.index("-cpu") + 1] = processor
    assert argv == plain, "and is the same in all else"
    assert acceleration.cpus(2, virtualising=True) == (1 if acceleration.name == "tcg" else 2)


@pytest.mark.parametrize(
    ("here", "masters", "each"), [(2, 1, 2), (2, 2, 1), (2, 3, 1), (4, 2, 2), (8, 2, 2), (4, 3, 1), (1, 1, 1)]
)
def test_emulated_masters_share_the_processors_that_are_here(
    monkeypatch: pytest.MonkeyPatch, here: int, masters: int, each: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(here)))
    assert TCG.cpus(2, masters=masters) == each
    assert KVM.cpus(2, masters=masters) == 2


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


def test_a_node_has_a_second_card_and_its_volumes() -> None:
    plain = spec()
    node = spec(
        cluster_network=ClusterCard(directory=Path("/state/net")),
        metadata=Path("/state/one/cidata.img"), state_disk=Path("/state/one/state.img"),
    )  # fmt: skip
    argv, before = command(node), command(plain)
    at, volumes = before.index("-netdev"), [
        "-blockdev", block("metadata", "/state/one/cidata.img", "true"), "-device", "virtio-blk-pci,drive=metadata,serial=cidata",
        "-blockdev",
        block("state", "/state/one/state.img", 'false, "discard": "unmap", "cache": {"no-flush": true}'),
        "-device", "virtio-blk-pci,drive=state,serial=state",
    ]  # fmt: skip
    netdev = "vde,id=cluster,sock=/state/net/vde,mode=0600"
    card = ["-netdev", netdev, "-device", f"virtio-net-pci,netdev=cluster,mac={mac_address(node, 1)},romfile="]
    assert argv == [*before[:at], *volumes, *before[at : at + 4], *card, *before[at + 4 :]]


def test_what_passes_is_captured_when_asked() -> None:
    card = ClusterCard(directory=Path("/state/net"))
    assert "filter-dump" not in " ".join(command(spec(cluster_network=card)))
    dumps = [words for words in after(command(spec(cluster_network=card, capture=True)), "-object") if "filter-dump" in words]
    assert dumps == [
        "filter-dump,id=capture-access,netdev=access,file=/state/one/access.pcap",
        "filter-dump,id=capture-cluster,netdev=cluster,file=/state/one/cluster.pcap",
    ]


def test_hardware_addresses_stay_what_they_were() -> None:
    assert mac_address(spec(), 0) == "52:54:00:ff:79:e5"


def test_all_paths_become_whole() -> None:
    card = ClusterCard(directory=Path("net"))
    whole = spec(directory=Path("one"), medium=Path("m.iso"), metadata=Path("c.img"), cluster_network=card).absolute()
    here = Path.cwd()
    assert (whole.directory, whole.medium, whole.metadata, whole.state_disk) == (
        here / "one",
        here / "m.iso",
        here / "c.img",
        None,
    )
    assert whole.cluster_network == ClusterCard(directory=here / "net")


def test_machines_differ_in_what_must_be_unique() -> None:
    one, two = spec(), spec(name="two")
    assert machine_id(one) != machine_id(two)
    assert mac_address(one, 0) != mac_address(two, 0) != mac_address(two, 1)
    assert machine_id(one) == machine_id(spec())
    assert mac_address(one, 0).startswith("52:54:00:")
