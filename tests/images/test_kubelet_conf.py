"""A master whose kubelet.conf is lost while its cluster is there: it gets another, and nothing of the cluster is taken back."""

import shutil
from pathlib import Path

import pytest
import yaml
from kubelet_node import CONFIG, Node, eventually
from test_kubeadm_auto import CONF, UNFINISHED, settled, verbs


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node.at(tmp_path)


LOST = ["", "\0" * 40, None]
"""What a file that nobody synced holds after a power cut; a repaired disk may have dropped it."""


API_SERVER = """    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: {endpoint}
    image: registry.k8s.io/kube-apiserver:v1.36.3
"""
CURRENT = "var/lib/kubelet/pki/kubelet-client-current.pem"
MENDED = "kubeadm init phase kubeconfig kubelet --config /run/kubelet-conf.yaml"


def formed_cluster(
    node: Node, unfinished: str, conf: str | None, authority: str = "key\n", endpoint: str = "10.0.0.1:6443"
) -> None:
    """A master whose cluster came up, and that has lost what its kubelet knows the API server by."""
    node.put("run/config/kubeadm/init")
    (node.root / "var/lib/etcd/member/snap").mkdir(parents=True)
    (node.root / "var/lib/kubelet/pki").mkdir()
    node.put("var/lib/etcd/member/snap/db", "years of work")
    node.put("etc/kubernetes/manifests/etcd.yaml", "    - --initial-cluster=meant=x\n    - --name=meant\n")
    node.put("etc/kubernetes/manifests/kube-apiserver.yaml", API_SERVER.format(endpoint=endpoint))
    node.put("etc/kubernetes/pki/ca.key", authority)
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    for path, text in ((UNFINISHED, unfinished or None), (CONF, conf)):
        if text is not None:
            node.put(path, text)


@pytest.mark.parametrize("conf", LOST, ids=["empty", "zeros", "gone"])
@pytest.mark.parametrize("unfinished", ["", "formed\n", "member\n"])
def test_a_cluster_that_has_lost_its_kubelet_conf_is_never_reset(node: Node, unfinished: str, conf: str | None) -> None:
    """The cluster's authority lies beside it, and gives another one, for the name and the address that the node has there."""
    formed_cluster(node, unfinished, conf)
    node.put(CURRENT, "\0" * 40)
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        if unfinished:
            eventually(settled(node, "init"), "kubeadm ends well")
    assert node.text("var/lib/etcd/member/snap/db") == "years of work" and not node.has(UNFINISHED)
    assert node.calls("kubeadm")[0] == MENDED
    init, cluster = yaml.safe_load_all(node.text("asked-for"))
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.0.0.1", "bindPort": 6443}
    assert init["nodeRegistration"] == {"name": "meant", "criSocket": CONFIG.split()[-1]}
    assert cluster["kubernetesVersion"] == "v1.36.3"
    if unfinished != "formed\n":  # else kubeadm's last phases wrote it once more
        lines = [f"    {word}: /{CURRENT}" for word in ("client-certificate", "client-key")]
        assert node.text(CONF).splitlines() == lines, "a file of the kubelet's own, which is renewed"
    assert node.text(CURRENT) == "-----BEGIN CERTIFICATE of key\nthe key\n"
    assert (node.root / CURRENT).resolve().stat().st_mode & 0o777 == 0o600
    assert "reset" not in verbs(node) and "init begin" not in verbs(node)


@pytest.mark.parametrize(
    ("endpoint", "address", "port"), [("[fd00::1]:7443", "fd00::1", 7443), ("10.0.0.9:443", "10.0.0.9", 443)]
)
def test_the_address_is_the_one_that_the_api_server_has(node: Node, endpoint: str, address: str, port: int) -> None:
    formed_cluster(node, "", None, endpoint=endpoint)
    assert node.run("kubelet-conf.sh", "mend").returncode == 0
    init, _ = yaml.safe_load_all(node.text("asked-for"))
    assert init["localAPIEndpoint"] == {"advertiseAddress": address, "bindPort": port}


def test_a_certificate_that_a_power_cut_took_is_left_to_who_renews_it(node: Node) -> None:
    """kubelet.conf is good; `certificates renew` knows the certificate before, or makes another."""
    formed_cluster(node, "", f"    client-certificate: /{CURRENT}\n")
    node.put(CURRENT, "")
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    assert node.calls("kubeadm") == [] and node.text(CONF) == f"    client-certificate: /{CURRENT}\n"
    assert node.text("certificates").startswith("renew after 0 kubelets")


def test_an_upgrade_that_is_under_way_is_not_forgotten(node: Node) -> None:
    formed_cluster(node, "", "")
    node.put("etc/kubernetes/upgrading", "cluster\n")
    node.put("var/lib/kubelet/config.yaml", "")
    with node.service():
        eventually(lambda: node.text(CONF) != "", "kubelet.conf is there")
        eventually(lambda: bool(node.calls("kubelet")) or "upgrade" in node.said(), "it goes on")
    assert node.has("etc/kubernetes/upgrading")


@pytest.mark.parametrize("unfinished", ["", "member\n"])
def test_a_cluster_whose_etcd_is_being_restored_is_there(node: Node, unfinished: str) -> None:
    """Its data and its static pods are put apart meanwhile (etcd-restore.sh)."""
    formed_cluster(node, unfinished, "")
    shutil.rmtree(node.root / "var/lib/etcd/member")
    (node.root / "etc/kubernetes/manifests").rename(node.root / "etc/kubernetes/manifests-restore")
    (node.root / "etc/kubernetes/manifests").mkdir()
    with node.service():
        eventually(lambda: " failed " in node.text("console") or "kubeadm init is done" in node.said(), "it is told")
    assert "reset" not in verbs(node) and "init begin" not in verbs(node)


@pytest.mark.parametrize("conf", LOST, ids=["empty", "zeros", "gone"])
@pytest.mark.parametrize("unfinished", ["", "formed\n", "member\n"])
def test_one_without_its_authority_is_told_and_left_as_it_is(node: Node, unfinished: str, conf: str | None) -> None:
    formed_cluster(node, unfinished, conf, authority="")
    node.put("broken", "error: no client could be made\n")
    with node.service():
        eventually(lambda: "report kubeadm kubelet.conf failed it is lost" in node.text("console"), "it is told")
        what_follows = "report kubeadm init ok" if unfinished == "member\n" else "report kubeadm init failed"
        eventually(lambda: what_follows in node.text("console"), "and what comes of it")
    assert node.text("var/lib/etcd/member/snap/db") == "years of work"
    assert "reset" not in verbs(node) and "init begin" not in verbs(node)


def test_a_master_that_joined_gets_another_kubelet_conf_too(node: Node) -> None:
    """Its etcd is a member: to reset it could cost the cluster its majority."""
    formed_cluster(node, "begun\n", "")
    (node.root / "run/config/kubeadm/init").unlink()
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    assert "reset" not in verbs(node) and node.calls("kubeadm")[0] == MENDED


@pytest.mark.parametrize("cut", ["config.yaml", "kubeadm-flags.env"])
def test_a_join_that_lacks_more_than_kubelet_conf_is_done_again(node: Node, cut: str) -> None:
    """Nobody else would write those again."""
    formed_cluster(node, "begun\n", "")
    (node.root / "run/config/kubeadm/init").unlink()
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    node.put(f"var/lib/kubelet/{cut}", "")
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    assert verbs(node) == ["reset", "join"]
