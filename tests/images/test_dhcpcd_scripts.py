"""What dhcpcd's own scripts do for networks without a router or a resolver, in network namespaces of the tests'."""

import os
import subprocess
from pathlib import Path

import pytest

from builder.project import Project

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
FILES = Project.here().pkg / "dhcpcd" / "files"
OFFLINE = FILES / "usr/lib/kubeiso/offline.sh"
SECONDS = 20
CARD = "ip link add eth0 type veth peer name other && ip link set eth0 up && ip link set other up"


def run(place: Path, before: str, *, static: bool, code: int = 0) -> str:
    """The onboot step after `before`, with a DHCP client that ends with the code; then the routes, and resolv.conf."""
    folder = place / "network" / "static"
    folder.mkdir(parents=True)
    if static:
        (folder / "eth0").write_text("192.0.2.10/24\n")
    client = place / "dhcpcd"
    client.write_text(f'#!/bin/sh\necho "$*" >{place}/asked\nexit {code}\n')
    client.chmod(0o755)
    step = f"sh {FILES}/usr/bin/dhcpcd.sh -1 -t 30; code=$?"
    step = f"{before} && {{ {step}; }}; ip -4 route show && cat {place}/resolv.conf && exit $code"
    own = {
        "CONF": FILES.parent / "image.yml",
        "OWN": place / "own.conf",
        "CONFIG": place,
        "SYS": place,
        "DHCPCD": client,
        "RESOLV_CONF": place / "resolv.conf",
        "OFFLINE": OFFLINE,
    }
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **{name: str(path) for name, path in own.items()}}
    ended = subprocess.run(
        ["unshare", "-n", "sh", "-c", step], env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout


def test_a_static_network_without_router_and_resolver_gets_what_one_by_dhcp_does(tmp_path: Path) -> None:
    """kubeadm finds no address without a default route, and CoreDNS doesn't start without a resolver."""
    told = run(tmp_path, f"{CARD} && ip addr add 192.0.2.10/24 dev eth0", static=True)
    assert "default dev eth0" in told and "metric 65000" in told
    assert "nameserver 192.0.2.1" in told and "unreachable 192.0.2.1" in told
    assert "-Z eth0" in (tmp_path / "asked").read_text()


def test_a_network_that_has_them_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 198.51.100.1\n")
    route = "ip addr add 192.0.2.10/24 dev eth0 && ip route add default via 192.0.2.254"
    told = run(tmp_path, f"{CARD} && {route}", static=True)
    assert "65000" not in told and "unreachable" not in told
    assert told.endswith("nameserver 198.51.100.1\n")


def test_a_card_without_an_address_gets_no_route_and_a_lease_that_failed_is_told(tmp_path: Path) -> None:
    told = run(tmp_path, CARD, static=True, code=1)
    assert "default" not in told
    assert "nameserver 192.0.2.1" in told


def test_a_card_whose_cable_comes_before_another_one_s_lease_is_not_in_its_way(tmp_path: Path) -> None:
    """The hook, as dhcpcd has it for each event of each card."""
    hook = (FILES / "usr/lib/dhcpcd/dhcpcd-hooks/99-offline").read_text().replace("/usr/lib/kubeiso/offline.sh", str(OFFLINE))
    (tmp_path / "hook").write_text(hook)
    second = "ip link add eth1 type veth peer name another && ip link set eth1 up && ip link set another up"
    events = (
        f"if_up=true interface=eth1; . {tmp_path}/hook; ip addr add 192.0.2.10/24 dev eth0; interface=eth0; . {tmp_path}/hook"
    )
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "RESOLV_CONF": str(tmp_path / "resolv.conf")}
    told = subprocess.check_output(
        ["unshare", "-n", "sh", "-c", f"{CARD} && {second} && {{ {events}; ip -4 route show default; }}"],
        env=env, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert told.split()[:3] == ["default", "dev", "eth0"]
