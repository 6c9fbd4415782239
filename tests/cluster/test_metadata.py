"""What the host writes for a node: the documents themselves, and what the node's own program makes of them."""

import json
from pathlib import Path

import pytest
import yaml
from cluster_samples import a_cluster

from builder.cluster import machines
from builder.cluster.metadata import Card, metadata, node_metadata
from builder.cluster.model import WORKER, Hardware
from builder.components.registry import find
from builder.machine.cidata import make_cidata
from builder.machine.disk import SMALLEST
from builder.project import Project
from builder.run import Completed, run
from builder.store import Store

MAC = "52:54:00:0a:40:0b"
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me: at "home" #1'
CARD = Card(MAC, ("10.64.0.11/24", "2001:db8::b/64"), (("10.244.1.0/24", "10.64.0.12"), ("10.244.2.0/24", "10.64.0.13")), 1450)
TREE = {
    "pod-network/subnet": "10.244.0.0/24\n",
    "kubeadm/kubeadm.yaml": 'kind: InitConfiguration\n---\n# é \U0001f600 \\ "\t\nkind: x',
    "kubeadm/init": "",
    "kubeadm/patches/etcd.json": '{"a": [1, "\\n"]}',
    "plain": "x",
}


def test_the_documents() -> None:
    made = metadata("demo", cards=[CARD, Card("52:54:00:00:00:02", ())], ssh_keys=[KEY], tree={"a/b/c": "1", "a/d": "2"})
    assert yaml.safe_load(made["meta-data"]) == {"instance-id": "demo", "local-hostname": "demo", "public-keys": [KEY]}
    assert json.loads(made["user-data"]) == {
        "a": {
            "entries": {"b": {"entries": {"c": {"content": "1", "perm": "0600"}}}, "d": {"content": "2", "perm": "0600"}},
        }
    }
    assert yaml.safe_load(made["network-config"]) == {
        "version": 2,
        "ethernets": {
            "card0": {
                "match": {"macaddress": MAC},
                "addresses": ["10.64.0.11/24", "2001:db8::b/64"],
                "mtu": 1450,
                "routes": [{"to": "10.244.1.0/24", "via": "10.64.0.12"}, {"to": "10.244.2.0/24", "via": "10.64.0.13"}],
            },
            "card1": {"match": {"macaddress": "52:54:00:00:00:02"}, "addresses": []},
        },
    }


def test_a_node_without_anything_of_its_own_has_a_name() -> None:
    made = metadata("demo")
    assert yaml.safe_load(made["meta-data"]) == {"instance-id": "demo", "local-hostname": "demo"}
    assert json.loads(made["user-data"]) == {}
    assert yaml.safe_load(made["network-config"]) == {"version": 2, "ethernets": {}}


def test_the_same_node_has_the_same_bytes() -> None:
    once, again = (metadata("demo", cards=[CARD], tree=dict(order)) for order in (TREE.items(), reversed(TREE.items())))
    assert once == again


@pytest.mark.parametrize("host_ranges", [True, False])
def test_a_node_of_a_cluster(host_ranges: bool) -> None:
    cluster = a_cluster(host_ranges=host_ranges).model_copy(update={"ssh_keys": (f"{KEY}\n",)})
    (worker,) = (node for node in cluster.nodes if node.role == WORKER)
    made = node_metadata(cluster, worker, MAC)
    assert yaml.safe_load(made["meta-data"])["local-hostname"] == "c-worker-1"
    (card,) = yaml.safe_load(made["network-config"])["ethernets"].values()
    assert card["match"] == {"macaddress": MAC}
    assert card["addresses"] == ["10.64.0.20/24"]
    if host_ranges:
        assert {"to": "10.244.0.0/24", "via": "10.64.0.11"} in card["routes"]  # the master's pods
        assert "10.64.0.20" not in {route["via"] for route in card["routes"]}
        assert json.loads(made["user-data"])["pod-network"]["entries"]["subnet"]["content"] == "10.244.9.0/24\n"
    else:
        assert "routes" not in card
        assert json.loads(made["user-data"]) == {}


class OnTheNode:
    """The node's program, which reads a folder in place of a volume and leaves the network alone."""

    def __init__(self, program: Path, place: Path) -> None:
        self.program, self.volume, self.root = program, place / "volume", place / "root"
        self.volume.mkdir()
        self.root.mkdir()

    def reads(self, files: dict[str, bytes]) -> Completed:
        for name, data in files.items():
            (self.volume / name).write_bytes(data)
        return run([self.program, "-from", self.volume, "-root", self.root, "-dry-run"], check=False)

    def config(self) -> dict[str, str]:
        config = self.root / "run" / "config"
        return {path.relative_to(config).as_posix(): path.read_text() for path in config.rglob("*") if path.is_file()}


@pytest.fixture
def node(tmp_path: Path) -> OnTheNode:
    """Built as the component that the image has."""
    store = Store()
    return OnTheNode(store.path(find("metadata", store, Project.here()).files["metadata"]), tmp_path)


@pytest.mark.network
def test_the_node_reads_what_the_host_writes(node: OnTheNode) -> None:
    files = metadata("demo-master-1", cards=[CARD], ssh_keys=[KEY], tree=TREE)
    done = node.reads(files)
    assert (done.code, done.stderr) == (0, "")
    given = "10.64.0.11/24, 2001:db8::b/64, MTU 1450, route 10.244.1.0/24 via 10.64.0.12, route 10.244.2.0/24 via 10.64.0.13"
    assert f"card0: {given}" in done.stdout
    assert node.config() == {
        **TREE,
        "hostname": "demo-master-1\n",
        "ssh/authorized_keys": f"{KEY}\n",
        "network/static/card0": f"{given}\n",
        "userdata": files["user-data"].decode(),
    }
    assert {path.stat().st_mode & 0o777 for path in (node.root / "run/config/kubeadm").rglob("*") if path.is_file()} == {0o600}


@pytest.mark.network
def test_the_node_reads_the_volume_of_every_node_of_a_cluster(node: OnTheNode, tmp_path: Path) -> None:
    cluster = a_cluster()
    for each in cluster.nodes:
        make_cidata(node_metadata(cluster, each, MAC), tmp_path / "cidata.img")
        run(["xorriso", "-osirrox", "on", "-indev", tmp_path / "cidata.img", "-extract", "/", tmp_path / each.name])
        done = node.reads({path.name: path.read_bytes() for path in (tmp_path / each.name).iterdir()})
        assert (done.code, done.stderr) == (0, "")
        assert node.config()["hostname"] == f"{each.name}\n"
        assert node.config()["pod-network/subnet"] == f"{each.pods}\n"
        assert f"{each.address}/24" in node.config()["network/static/card0"]


@pytest.mark.network
def test_the_node_tells_what_is_wrong_and_keeps_what_lets_people_in(node: OnTheNode) -> None:
    files = metadata("demo", cards=[CARD], tree={"kubeadm/join": "--token x"})
    done = node.reads({**files, "network-config": files["network-config"].replace(b"macaddress", b"mac")})
    assert done.code == 2
    assert (
        "network-config, line 5, ethernets.card0.match.mac: this key is not known" in done.stderr or "macaddress" in done.stderr
    )
    assert node.config() == {"hostname": "demo\n"}


def test_a_node_with_a_disk_is_told_which_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, bytes] = {}
    monkeypatch.setattr(machines, "make_cidata", lambda files, _: made.update(files))
    cluster = a_cluster(directory=tmp_path)
    for disk in (0, SMALLEST):
        (node, *_) = cluster.nodes
        machines.prepare_node(cluster.model_copy(update={"hardware": Hardware(disk=disk)}), node)
        told = json.loads(made["user-data"]).get("state", {}).get("entries", {}).get("disk", {}).get("content", "")
        assert bool(told) == bool(disk)
    assert f"Filesystem UUID:          {told.strip()}" in run(["dumpe2fs", "-h", node.directory / "state.img"]).stdout
