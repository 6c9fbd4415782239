"""The pod networks of networks/, and what kubeadm is told of them."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_samples import ROOT, file_of, spec_of

from builder.project import Project
from builder.recipe.model import Network, Recipe, Role
from builder.spec.descriptions import pod_network
from builder.spec.model import ImageSpec

NETWORKS = sorted(path.stem for path in (ROOT / "networks").glob("*.yml"))
MANIFEST = "etc/kubeadm/kube-system.init/50-flannel.yaml"
POLICIES = "etc/kubeadm/kube-system.init/60-network-policies.yaml"


def with_network(cni: str, role: Role = Role.MASTER, **network: Any) -> ImageSpec:
    return spec_of(Recipe(runtime="cri-containerd", network=Network(cni=cni, **network)), role)


def kubeadm_of(spec: ImageSpec, path: str = "etc/kubeadm/kubeadm.yaml") -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in yaml.safe_load_all(file_of(spec, path))}


def objects() -> dict[str, dict[str, Any]]:
    """What flannel puts into the cluster, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(file_of(with_network("flannel"), MANIFEST))}


def arguments(document: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in document["extraArgs"]}


@pytest.mark.parametrize("cni", NETWORKS)
@pytest.mark.parametrize("role", Role)
def test_every_network_leaves_no_name_unfilled(cni: str, role: Role) -> None:
    names = ("{pod_subnet}", "{node_pod_subnet}", "{image.")
    spec = with_network(cni, role)
    assert [file.path for file in spec.files if any(name in (file.contents or "") for name in names)] == []


@pytest.mark.parametrize("cni", NETWORKS)
def test_configuration_of_networks_is_written_to_var(cni: str) -> None:
    spec = with_network(cni)
    links = {file.path: file.symlink for file in spec.files if file.symlink}
    assert links["etc/cni/net.d"] == "/var/lib/cni/net.d"
    # After the disk for /var is mounted and this node's range is known.
    assert [entry.name for entry in spec.onboot][-1] == "pod-network"
    assert not [file.path for file in spec.files if file.path.startswith("etc/cni/net.d/")]


def test_the_bridge_has_the_first_range_where_nobody_gives_one() -> None:
    spec = with_network("bridge", pod_subnet="10.32.0.0/12")
    assert file_of(spec, "etc/pod-network/subnet") == "10.32.0.0/24\n"
    bridge, portmap = json.loads(file_of(spec, "etc/pod-network/10-bridge.conflist"))["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "NODE_POD_SUBNET"}]]
    assert (bridge["ipMasq"], portmap["type"]) == (False, "portmap")


def test_a_small_pod_subnet_is_one_nodes_range() -> None:
    assert file_of(with_network("bridge", pod_subnet="10.32.7.0/24"), "etc/pod-network/subnet") == "10.32.7.0/24\n"


def test_packets_that_leave_the_pods_subnet_are_masqueraded() -> None:
    rules = file_of(with_network("bridge", pod_subnet="10.32.0.0/12"), "etc/pod-network/masquerade.nft")
    (rule,) = [line.strip() for line in rules.splitlines() if "masquerade" in line]
    assert rule == "ip saddr 10.32.0.0/12 ip daddr != 10.32.0.0/12 ip daddr != 224.0.0.0/4 masquerade fully-random"


@pytest.mark.parametrize(("cni", "allocates"), [("bridge", "false"), ("flannel", "true")])
def test_one_side_alone_gives_ranges_out(cni: str, allocates: str) -> None:
    manager = kubeadm_of(with_network(cni))["ClusterConfiguration"]["controllerManager"]
    assert arguments(manager)["allocate-node-cidrs"] == allocates
    assert pod_network(Project(ROOT), cni).host_ranges == (allocates == "false")


@pytest.mark.parametrize("mode", ["nftables", "iptables"])
def test_node_ports_answer_on_every_address_of_a_node(mode: str) -> None:
    proxy = kubeadm_of(with_network("bridge", proxy_mode=mode))["KubeProxyConfiguration"]
    assert [ipaddress.ip_network(each).prefixlen for each in proxy["nodePortAddresses"]] == [0]


def test_flannel_is_in_the_image_of_every_node() -> None:
    for role in Role:
        spec = with_network("flannel", role)
        assert any("/flannel:" in image for image in spec.container_images)
        assert "vxlan" in file_of(spec, "etc/modules-load.d/20-kubeiso.conf").split()
    assert not any("/flannel:" in image for image in with_network("bridge").container_images)


def test_flannels_pods_run_the_image_that_the_node_has() -> None:
    (container,) = objects()["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/kubeiso/flannel:1"
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_flannel_speaks_over_the_card_with_the_kubelets_address() -> None:
    (container,) = objects()["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    address = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert address == {"NODE_NAME": "spec.nodeName", "NODE_ADDRESS": "status.hostIP"}
    assert {"--iface=$(NODE_ADDRESS)", "--public-ip=$(NODE_ADDRESS)", "--kube-subnet-mgr", "--ip-masq"} <= set(container["args"])


def test_flannel_has_the_recipes_subnet() -> None:
    manifest = file_of(with_network("flannel", pod_subnet="10.32.0.0/12"), MANIFEST)
    data = next(each for each in yaml.safe_load_all(manifest) if each["kind"] == "ConfigMap")["data"]
    assert json.loads(data["net-conf.json"])["Network"] == "10.32.0.0/12"
    filled = data["10-flannel.conflist"].replace("NODE_MTU", "1450").replace("NODE_POD_SUBNET", "10.32.1.0/24")
    assert json.loads(filled)["plugins"][0]["mtu"] == 1450


def test_flannel_may_do_no_more_than_it_must() -> None:
    rules = {(tuple(rule["resources"]), tuple(rule["verbs"])) for rule in objects()["ClusterRole"]["rules"]}
    assert rules == {(("nodes",), ("get", "list", "watch")), (("nodes/status",), ("patch",))}
    pod = objects()["DaemonSet"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["securityContext"] == {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}


def enforcer() -> dict[str, dict[str, Any]]:
    """What enforces policies in the cluster, by kind."""
    spec = with_network("bridge", policies=True)
    return {each["kind"]: each for each in yaml.safe_load_all(file_of(spec, POLICIES))}


@pytest.mark.parametrize("cni", NETWORKS)
@pytest.mark.parametrize("role", Role)
def test_what_enforces_policies_is_on_every_node_of_a_recipe_that_asks_for_it(cni: str, role: Role) -> None:
    spec, without = with_network(cni, role, policies=True), with_network(cni, role)
    assert set(spec.container_images) - set(without.container_images) == {
        image for image in spec.container_images if "/kube-network-policies:" in image
    }
    assert len(spec.container_images) == len(without.container_images) + 1
    modules = file_of(spec, "etc/modules-load.d/20-kubeiso.conf").split()
    assert {"nfnetlink_queue", "nft_queue", "br_netfilter"} <= set(modules)
    assert POLICIES not in [file.path for file in without.files]


def test_what_enforces_policies_may_do_no_more_than_it_must() -> None:
    rules = {(tuple(rule["resources"]), tuple(rule["verbs"])) for rule in enforcer()["ClusterRole"]["rules"]}
    assert rules == {(("pods", "namespaces"), ("list", "watch")), (("networkpolicies",), ("list", "watch"))}
    pod = enforcer()["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert (container["readinessProbe"]["httpGet"]["host"], pod["hostNetwork"], "volumes" in pod) == ("127.0.0.1", True, False)
    assert container["image"] == "docker.io/kubeiso/kube-network-policies:1"


@pytest.mark.parametrize("cni", NETWORKS)
@pytest.mark.parametrize("policies", [False, True])
def test_workloads_are_those_of_the_manifests(cni: str, policies: bool) -> None:
    spec = with_network(cni, policies=policies)
    manifests = [file.contents or "" for file in spec.files if "kube-system.init/" in file.path]
    applied = [each for text in manifests for each in yaml.safe_load_all(text)]
    found = {
        (each["kind"].lower(), each["metadata"]["namespace"], each["metadata"]["name"])
        for each in applied
        if each["kind"] in ("DaemonSet", "Deployment")
    }
    assert {
        (each.kind, each.namespace, each.name) for each in pod_network(Project(ROOT), cni, policies=policies).workloads
    } == found


@pytest.mark.parametrize("cni", NETWORKS)
def test_names_of_networks_say_whose_they_are(cni: str) -> None:
    """pod-network.sh clears what an earlier boot left of such a network."""
    named = [line for file in with_network(cni).files for line in (file.contents or "").splitlines() if '"name":' in line]
    assert named
    assert all('"name": "kubeiso-' in line for line in named)


def test_a_worker_has_what_is_known_beforehand_of_a_join() -> None:
    (kind, join), *others = kubeadm_of(with_network("bridge", Role.WORKER)).items()
    assert (kind, others) == ("JoinConfiguration", [])
    assert join["nodeRegistration"]["criSocket"] == "unix:///run/containerd/containerd.sock"
    assert join["nodeRegistration"]["imagePullPolicy"] == "IfNotPresent"
    assert join["timeouts"]["discovery"] == "900s"
    assert "discovery" not in join


def test_a_master_can_join_as_well() -> None:
    master, worker = with_network("bridge"), with_network("bridge", Role.WORKER)
    assert next(iter(kubeadm_of(master))) == "InitConfiguration"
    assert file_of(master, "etc/kubeadm/kubeadm-join.yaml") == file_of(worker, "etc/kubeadm/kubeadm.yaml")


def test_an_addon_sees_the_same_folder_on_the_node_and_in_the_kubelet() -> None:
    image = yaml.safe_load((ROOT / "pkg/kubelet/image.yml").read_text())
    assert "/var/lib/cni/net.d:/etc/cni/net.d" in image["linuxkit"]["binds"]
    assert "/var/lib/cni/net.d" in image["linuxkit"]["runtime"]["mkdir"]


def test_every_network_is_named_in_the_recipe() -> None:
    recipe = (ROOT / "recipes/cri-containerd.yml").read_text()
    assert [name for name in NETWORKS if f"# {name} " not in recipe] == []


def test_descriptions_of_networks_name_images_that_there_are() -> None:
    folders = {Path(path).parent.name for path in (ROOT / "pkg").glob("*/image.yml")}
    for name in NETWORKS:
        network = pod_network(Project(ROOT), name, policies=True)
        assert {*network.images, *network.init, *network.onboot} <= folders
