"""Which interfaces the node's DHCP client may take."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "pkg/dhcpcd/files/usr/bin/dhcpcd.sh"
CARDS = ("eth0", "eth1", "lan0")
OTHERS = (
    "lo",
    "eni0a1b2c3d4e5",  # AWS's CNI
    "ethereum-3f2a1b",  # Antrea: the pod's name
    "ibexa-db-8c1d2e",
    "usb-app-0a1b2c",
    "cni0",
    "veth1a2b3c",
    "cali0123456789a",
    "flannel.1",
    "cilium_host",
    "lxc12345",
    "docker0",
    "kube-ipvs0",
    "vxlan.calico",
    "tunl0",
)


def arguments(folder: Path, *given: str, cable: bool = True) -> list[str]:
    """dhcpcd's, on a node with these cards, of which eth1 has its addresses from the metadata."""
    for name in (*CARDS, *OTHERS):
        (folder / "sys/class/net" / name).mkdir(parents=True)
    for name in CARDS:
        (folder / "sys/class/net" / name / "device").mkdir()
    (folder / "config/network/static").mkdir(parents=True)
    (folder / "config/network/static/eth1").touch()
    client = folder / "dhcpcd"
    client.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    client.chmod(0o755)
    switch = folder / "ip"
    told = f"(sleep 0.3; echo 1 >{folder}/sys/class/net/$3/carrier) &\n" if cable else ""
    switch.write_text(f'#!/bin/sh\n[ "$1" = link ] || exit 0\necho "$@" >>{folder}/switched\n{told}')
    switch.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "SYS": f"{folder}/sys", "CONFIG": f"{folder}/config", "DHCPCD": str(client)}
    (folder / "dhcpcd.conf").write_text("noipv6rs\n")
    environment |= {"CONF": str(folder / "dhcpcd.conf"), "OWN": str(folder / "own.conf")}
    environment |= {"OFFLINE": str(SCRIPT.parents[1] / "lib/kubeiso/offline.sh"), "RESOLV_CONF": str(folder / "resolv.conf")}
    return subprocess.run(["sh", SCRIPT, *given], env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def stanzas(folder: Path, **words: str) -> tuple[list[str], str]:
    """The client's arguments and configuration where the metadata say that of interfaces."""
    (folder / "config/network/ipv6").mkdir(parents=True)
    for name, word in words.items():
        (folder / "config/network/ipv6" / name).write_text(f"{word}\n")
    return arguments(folder, "-1"), (folder / "own.conf").read_text()


def values(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_it_takes_cards_alone_whatever_pod_networks_call_theirs(tmp_path: Path) -> None:
    words = arguments(tmp_path, "-1")
    allowed, denied = values(words, "-z"), values(words, "-Z")
    taken = {name for name in (*CARDS, *OTHERS) if any(fnmatch(name, pattern) for pattern in allowed)} - set(denied)
    assert taken == {"eth0", "lan0"}
    assert words[-1] == "-1"


def test_it_takes_what_metadata_made_of_cards_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "config/network/dhcp").mkdir(parents=True)
    (tmp_path / "config/network/dhcp/bond0").touch()
    words = arguments(tmp_path, "-1")
    assert "bond0" in values(words, "-z") and "bond0" not in values(words, "-Z")
    assert "link set bond0 up" in (tmp_path / "switched").read_text()


def test_without_a_word_there_is_no_ipv6(tmp_path: Path) -> None:
    assert values(arguments(tmp_path, "-1"), "-f") == [str(tmp_path / "own.conf")]
    assert (tmp_path / "own.conf").read_text() == "noipv6rs\n"


def test_ipv6_is_for_the_interfaces_of_which_metadata_say_how(tmp_path: Path) -> None:
    """eth1 has addresses of IPv4 from the metadata: the client leaves those alone."""
    words, config = stanzas(tmp_path, eth0="dhcp", eth1="slaac", lan0="dhcp-only")
    assert config == (
        "noipv6rs\ninterface eth0\nipv6rs\nia_na\ninterface eth1\nipv6rs\nnodhcp6\nnoipv4\ninterface lan0\ndhcp6\nia_na\n"
    )
    assert {"eth0", "eth1", "lan0"} <= set(values(words, "-z")) and "eth1" not in values(words, "-Z")


def test_a_card_that_comes_later_is_known_by_its_name(tmp_path: Path) -> None:
    allowed = values(arguments(tmp_path), "-z")
    assert all(any(fnmatch(name, pattern) for pattern in allowed) for name in ("eth2", "eth10", "wlan0", "usb0", "ib1"))


def test_as_a_step_it_switches_cards_on_and_waits_for_a_cable(tmp_path: Path) -> None:
    """dhcpcd -1 ends at once where no card has told of its cable yet."""
    assert arguments(tmp_path, "-1")[-1] == "-1"
    assert sorted((tmp_path / "switched").read_text().splitlines()) == ["link set eth0 up", "link set lan0 up"]
    assert any((tmp_path / "sys/class/net" / card / "carrier").exists() for card in ("eth0", "lan0"))


def test_a_card_without_a_cable_holds_a_boot_for_seconds_only(tmp_path: Path) -> None:
    assert arguments(tmp_path, "-1", cable=False)[-1] == "-1"
