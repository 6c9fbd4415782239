"""The node's part of the pod network: pkg/pod-network's script with its own nft and the kernel's rules, and flannel's."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from private_mounts import private_mounts
from test_image_complete import unpacked

from builder.project import Project

pytestmark = [pytest.mark.network, pytest.mark.skipif(os.geteuid() != 0, reason="chroot and packet rules need root")]
SECONDS = 30
TEMPLATE = '{"name": "kubeiso-x", "plugins": [{"ipam": {"ranges": [[{"subnet": "NODE_POD_SUBNET"}]]}, "mtu": NODE_MTU}]}\n'
RULES = """table ip kubeiso-pods
delete table ip kubeiso-pods
table ip kubeiso-pods {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ip saddr 10.9.0.0/16 ip daddr != 10.9.0.0/16 masquerade
    }
}
"""
# Rules are those of a network namespace of the test's own.
IN_CHROOT = 'root=$1 && shift && mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && exec chroot "$root" "$@"'


@dataclass(frozen=True)
class Node:
    """A node's files below `root`."""

    root: Path

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run(self, *argv: str, times: int = 1, **environment: str) -> subprocess.CompletedProcess[str]:
        """The program, so many times, in one new network; then what rules there are."""
        command = ["/usr/bin/sh", "-c", f"{' && '.join([' '.join(argv)] * times)} && nft list ruleset"]
        words = [*private_mounts(), "--net", "sh", "-c", IN_CHROOT, "sh", str(self.root), *command]
        path = {"PATH": "/usr/bin:/usr/sbin:/bin:/sbin"}
        return subprocess.run(words, env={**path, **environment}, capture_output=True, text=True, timeout=SECONDS, check=False)

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())

    def conflist(self, name: str) -> dict[str, object]:
        text = (self.root / "var/lib/cni/net.d" / name).read_text()
        return dict(json.loads(text)["plugins"][0])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = unpacked("pod-network", tmp_path_factory.mktemp("pod-network") / "root")
    for name in ("dev", "proc", "sys"):
        (place / name).mkdir(exist_ok=True)
    return place


@pytest.fixture
def node(image: Path, tmp_path: Path) -> Node:
    shutil.copytree(image, tmp_path / "root", symlinks=True)
    made = Node(tmp_path / "root")
    made.put("etc/pod-network/10-x.conflist", TEMPLATE.replace("NODE_MTU", "1500"))
    made.put("etc/pod-network/subnet", "10.9.0.0/24\n")
    return made


def test_a_node_has_the_range_that_it_was_given(node: Node) -> None:
    node.put("run/config/pod-network/subnet", "10.9.3.0/24\n")
    assert node.run("pod-network.sh").returncode == 0
    assert node.conflist("10-x.conflist")["ipam"] == {"ranges": [[{"subnet": "10.9.3.0/24"}]]}
    assert node.names("var/lib/cni/net.d") == ["10-x.conflist"]


def test_a_node_without_a_range_has_the_first(node: Node) -> None:
    assert node.run("pod-network.sh").returncode == 0
    assert node.conflist("10-x.conflist")["ipam"] == {"ranges": [[{"subnet": "10.9.0.0/24"}]]}


def test_rules_are_there_once_however_often_they_are_loaded(node: Node) -> None:
    node.put("etc/pod-network/masquerade.nft", RULES)
    done = node.run("pod-network.sh", times=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ip saddr 10.9.0.0/16 ip daddr != 10.9.0.0/16 masquerade") == 1


def test_rules_that_the_kernel_refuses_fail_the_step(node: Node) -> None:
    node.put("etc/pod-network/masquerade.nft", "add rule ip nowhere x accept\n")
    done = node.run("pod-network.sh")
    assert done.returncode != 0
    assert "nowhere" in done.stderr


def test_a_network_that_needs_no_range_needs_none(node: Node) -> None:
    for name in ("10-x.conflist", "subnet"):
        (node.root / "etc/pod-network" / name).unlink()
    assert node.run("pod-network.sh").returncode == 0
    assert node.names("var/lib/cni/net.d") == []


@pytest.mark.parametrize(
    "subnet", ["", "10.9.3.1/24", "10.9.3.0", "10.0.0.0", "10.9.3.0/33", "10.9.3.0/24 10.9.4.0/24", "fd00::/64", "x"]
)
def test_what_is_no_range_is_refused(node: Node, subnet: str) -> None:
    node.put("run/config/pod-network/subnet", f"{subnet}\n")
    done = node.run("pod-network.sh")
    assert done.returncode == 1
    assert "/run/config/pod-network/subnet" in done.stderr
    assert node.names("var/lib/cni/net.d") == []


@pytest.fixture
def flannel(node: Node) -> Node:
    """A node with flannel's script; the programs that it calls are those of this image and of its busybox."""
    shutil.copy(Project.here().pkg / "flannel/files/usr/bin/conflist.sh", node.root / "usr/bin")
    for name in ("date", "sleep", "["):
        (node.root / "usr/bin" / name).symlink_to("busybox")
    node.put("template", TEMPLATE)
    (node.root / "var/lib/cni/net.d").mkdir(parents=True)
    return node


CONFLIST = ("conflist.sh", "/template", "/var/lib/cni/net.d/10-flannel.conflist")


def test_flannels_range_becomes_the_configuration(flannel: Node) -> None:
    flannel.put("run/flannel/subnet.env", "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.7.1/24\nFLANNEL_MTU=1450\n")
    done = flannel.run(*CONFLIST)
    assert done.returncode == 0, done.stderr
    made = flannel.conflist("10-flannel.conflist")
    assert (made["ipam"], made["mtu"]) == ({"ranges": [[{"subnet": "10.9.7.0/24"}]]}, 1450)
    assert flannel.names("var/lib/cni/net.d") == ["10-flannel.conflist"]


def test_a_flannel_that_never_learns_its_range_is_told(flannel: Node) -> None:
    done = flannel.run(*CONFLIST, PATIENCE="1")
    assert done.returncode == 1
    assert "has not written /run/flannel/subnet.env within 1 s" in done.stderr
    assert flannel.names("var/lib/cni/net.d") == []
