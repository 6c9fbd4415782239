"""Where a node's configuration comes from, besides a volume cidata: QEMU's command line, a config drive, an OVF, a server."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from builder.cluster import lifecycle
from builder.cluster.lifecycle import ClusterPlan
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role
from builder.run import run

pytestmark = [pytest.mark.boot, pytest.mark.long]

MAC = "52:54:00:0c:00:01"
NETWORK = {
    "version": 2,
    "ethernets": {"one": {"match": {"macaddress": MAC}, "addresses": ["10.77.0.5/16"], "mtu": 1400}},
}
CARD = ("-netdev", "user,id=c,restrict=on", "-device", f"virtio-net-pci,netdev=c,mac={MAC}")


def config_drive(folder: Path) -> tuple[str, ...]:
    """OpenStack's form, on a disk of its own."""
    tree = folder / "drive" / "openstack" / "latest"
    tree.mkdir(parents=True)
    link = {"id": "tap1", "type": "ovs", "ethernet_mac_address": MAC, "mtu": 1400}
    network = {"link": "tap1", "type": "ipv4", "ip_address": "10.77.0.5", "netmask": "255.255.0.0"}
    (tree / "network_data.json").write_text(json.dumps({"links": [link], "networks": [network]}))
    (tree / "meta_data.json").write_text(json.dumps({"uuid": "1", "hostname": "by-the-drive", "launch_index": 0}))
    (tree / "user_data").write_text("#cloud-config\nwrite_files: [{path: /opt/given, content: by the drive}]\n")
    made = folder / "drive.iso"
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "config-2", "-J", "-R", "-o", made, folder / "drive"])
    return ("-drive", f"if=none,id=given,file={made},format=raw,readonly=on", "-device", "virtio-blk-pci,drive=given")


def ovf_environment(folder: Path) -> tuple[str, ...]:
    """On a CD, as vSphere makes it of what was filled in when the OVA was deployed."""
    given = {
        "hostname": "by-the-form", "instance-id": "1", "vm.vmname": "other",
        "user-data": b64encode(b"#cloud-config\nwrite_files: [{path: /opt/given, content: by the form}]\n").decode(),
        "network-config": b64encode(json.dumps(NETWORK).encode()).decode(),
    }  # fmt: skip
    (folder / "env").mkdir()
    rows = "".join(f'<Property oe:key="{key}" oe:value="{value}"/>' for key, value in given.items())
    schema = "http://schemas.dmtf.org/ovf/environment/1"
    (folder / "env" / "ovf-env.xml").write_text(
        f'<?xml version="1.0"?><Environment xmlns="{schema}" xmlns:oe="{schema}" oe:id="">'
        f"<PlatformSection><Kind>VMware ESXi</Kind></PlatformSection><PropertySection>{rows}</PropertySection></Environment>"
    )
    made = folder / "env.iso"
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "OVF ENV", "-J", "-R", "-o", made, folder / "env"])
    drive = f"if=none,id=given,file={made},format=raw,media=cdrom,readonly=on"
    return ("-drive", drive, "-device", "ide-cd,bus=ide.1,drive=given")


def command_line(folder: Path) -> tuple[str, ...]:
    user, network = folder / "user-data", folder / "network"
    user.write_text("#cloud-config\nhostname: by-qemu\nwrite_files: [{path: /opt/given, content: by qemu}]\n")
    network.write_text(json.dumps(NETWORK))
    ours = "name=opt/org.kubeiso"
    return ("-fw_cfg", f"{ours}/user-data,file={user}", "-fw_cfg", f"{ours}/network-config,file={network}")


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def a_server(tmp_path: Path) -> Iterator[Callable[[Path], tuple[str, ...]]]:
    """The machine's serial number leads to a server on this host's loopback, which is 10.0.2.2 there."""
    served = tmp_path / "served" / "node-7"
    served.mkdir(parents=True)
    (served / "meta-data").write_text("instance-id: i-1\nlocal-hostname: by-nobody\n")
    (served / "user-data").write_text("#cloud-config\nwrite_files: [{path: /opt/given, content: by a server}]\n")
    (served / "network-config").write_text(json.dumps(NETWORK))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(served.parent))) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        seed = f"ds=nocloud;s=http://10.0.2.2:{server.server_address[1]}/__dmi.baseboard-serial-number__/;h=by-a-server"
        words = ("-smbios", f"type=1,serial={seed}", "-smbios", "type=2,serial=node-7")
        yield lambda _: (*words, "-netdev", "user,id=o,net=10.0.2.0/24", "-device", "virtio-net-pci,netdev=o")
        server.shutdown()
        serving.join()


def test_a_node_fetches_its_configuration(
    base_plan: ClusterPlan, tmp_path: Path, a_server: Callable[[Path], tuple[str, ...]]
) -> None:
    takes_its_configuration(base_plan, tmp_path, a_server, "a server")


@pytest.mark.parametrize(
    ("given", "by"),
    [(command_line, "qemu"), (config_drive, "the drive"), (ovf_environment, "the form")],
    ids=["fw_cfg", "config-drive", "ovf"],
)
def test_a_node_takes_its_configuration(
    base_plan: ClusterPlan, tmp_path: Path, given: Callable[[Path], tuple[str, ...]], by: str
) -> None:
    takes_its_configuration(base_plan, tmp_path, given, by)


def takes_its_configuration(plan: ClusterPlan, tmp_path: Path, given: Callable[[Path], tuple[str, ...]], by: str) -> None:
    spec = MachineSpec(
        name="t-source", directory=tmp_path / "m", medium=plan.media[Role.MASTER], acceleration=plan.acceleration,
        memory=1800, extra=(*CARD, *given(tmp_path)),
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        lifecycle.booted(machine, 900)
        ended = machine.shell().run(
            "hostname; grep -o 'content: by [a-z ]*' /proc/1/root/run/config/userdata; ip -o address; ip -o link",
            machine.within(60),
        )
        name, text, *cards = ended.output.splitlines()
        assert (name, text) == (f"by-{by.replace(' ', '-')}", f"content: by {by}")
        assert any("10.77.0.5/16" in card for card in cards) and any(MAC in card and "mtu 1400" in card for card in cards)
    finally:
        machine.stop(grace=0)
