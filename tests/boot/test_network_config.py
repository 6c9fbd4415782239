"""Interfaces that metadata make of cards: a bond by DHCP and SLAAC that bears a cable pulled out, a VLAN, a bridge over one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_helpers import planned, said

from builder.cluster import lifecycle
from builder.deadline import poll
from builder.machine.cidata import make_cidata
from builder.machine.machine import Machine
from builder.machine.model import MachineSpec
from builder.recipe.model import Role

pytestmark = [pytest.mark.boot, pytest.mark.long]

CONFIG = b"""
version: 2
ethernets:
  one: {match: {macaddress: "52:54:00:0b:00:01"}}
  two: {match: {macaddress: "52:54:00:0b:00:02"}}
  trunk: {match: {macaddress: "52:54:00:0b:00:03"}, set-name: trunk0}
bonds:
  bond0:
    interfaces: [one, two]
    parameters: {mode: active-backup, primary: two, mii-monitor-interval: 100}
    dhcp4: true
    dhcp6: true
vlans:
  tagged: {id: 41, link: trunk}
  storage: {id: 40, link: trunk, addresses: [10.40.0.1/24]}
bridges:
  br0: {interfaces: [tagged], addresses: [10.41.0.1/24], parameters: {stp: false, priority: 4096}}
"""
ARP_IN_VLAN_40 = b"\x81\x00\x00\x28\x08\x06"  # IEEE 802.1Q's tag, then ARP's type


def card(number: int) -> tuple[str, ...]:
    """A card on a network of its own, whose machine 2 is QEMU."""
    return (
        "-netdev", f"user,id=n{number},restrict=on,net=10.0.2.0/24",
        "-device", f"virtio-net-pci,netdev=n{number},mac=52:54:00:0b:00:0{number}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames") / "trunk.pcap"


@pytest.fixture(scope="module")
def machine(out: Path, frames: Path) -> Iterator[Machine]:
    plan, folder = planned(out), frames.parent
    given = folder / "cidata.img"
    make_cidata({"network-config": CONFIG}, given)
    spec = MachineSpec(
        name="network", metadata=given, directory=folder / "m", medium=plan.media[Role.MASTER], acceleration=plan.acceleration,
        memory=1800, extra=(*card(1), *card(2), *card(3), "-object", f"filter-dump,id=dump,netdev=n3,file={frames}"),
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        lifecycle.booted(machine, 900)
        yield machine
    finally:
        machine.stop(grace=0)


def test_the_bond_has_its_address_by_dhcp_and_its_parts_have_none(machine: Machine) -> None:
    assert "10.0.2.15/24" in said(machine, "ip -4 addr show dev bond0")
    told = said(machine, "cat /proc/net/bonding/bond0")
    assert "Bonding Mode: fault-tolerance (active-backup)" in told
    assert "MII Polling Interval (ms): 100" in told
    parts = [line.split()[-1] for line in told.splitlines() if line.startswith("Slave Interface")]
    assert len(parts) == 2
    assert [part for part in parts if "inet " in said(machine, f"ip -4 addr show dev {part}")] == []


def test_the_bond_has_addresses_of_ipv6_by_the_router_s_announcements(machine: Machine) -> None:
    """QEMU's router announces fec0::/64; there the DHCP client takes the announcements from the kernel."""

    def seen() -> bool | None:
        return True if "inet6 fec0::" in said(machine, "ip -6 addr show dev bond0") else None

    poll(seen, machine.within(60), what="an address of the announced network")
    assert "default via fe80::2" in said(machine, "ip -6 route show")
    assert said(machine, "cat /proc/sys/net/ipv6/conf/bond0/accept_ra /proc/sys/net/ipv6/conf/trunk0/accept_ra").split() == [
        "0",
        "1",
    ]


def active(machine: Machine) -> str:
    return said(machine, "cat /sys/class/net/bond0/bonding/active_slave")


def test_a_cable_that_is_pulled_out_is_borne(machine: Machine) -> None:
    first = active(machine)
    told = said(machine, "cat /proc/net/bonding/bond0").partition(f"Slave Interface: {first}\n")[2]
    own = next(line for line in told.splitlines() if line.startswith("Permanent HW addr"))
    assert own.endswith("52:54:00:0b:00:02"), "the one that is preferred; in use, all parts have the bond's address"
    machine.set_link("n2", up=False)
    try:
        poll(lambda: True if active(machine) != first else None, machine.within(30), what="the bond takes its other part")
        said(machine, "ping -c 3 10.0.2.2")
    finally:
        machine.set_link("n2", up=True)
    poll(lambda: True if active(machine) == first else None, machine.within(30), what="the bond takes the preferred part again")


def test_a_vlans_frames_have_its_tag(machine: Machine, frames: Path) -> None:
    assert "10.40.0.1/24" in said(machine, "ip -4 addr show dev storage")
    assert ARP_IN_VLAN_40 not in frames.read_bytes()
    machine.shell().run("ping -c 1 -W 1 10.40.0.9", machine.within(30))  # nobody is there
    poll(lambda: True if ARP_IN_VLAN_40 in frames.read_bytes() else None, machine.within(30), what="a frame with the VLAN's tag")


def test_a_bridge_has_its_part_its_options_and_its_address(machine: Machine) -> None:
    assert "10.41.0.1/24" in said(machine, "ip -4 addr show dev br0")
    assert said(machine, "ls /sys/class/net/br0/brif") == "tagged"
    assert said(machine, "cat /sys/class/net/br0/bridge/stp_state /sys/class/net/br0/bridge/priority").split() == ["0", "4096"]
