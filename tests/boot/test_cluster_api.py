"""Nodes whose user-data Cluster API's own managers write: a control plane, and a worker that joins it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from boot_helpers import booted, planned, said
from management import ENDPOINT, GROUP, Management, management
from proxy_served import way_to

from builder.aside import write_aside
from builder.checks import Engine, Outcome
from builder.cluster import lifecycle
from builder.cluster.guestports import API_PORT
from builder.cluster.kubectl import Kubectl
from builder.cluster.metadata import API_SERVERS, POD_RANGE
from builder.cluster.model import MASTER, Cluster, Node
from builder.deadline import Deadline, poll
from builder.forming.kubeconfig import kubeconfig
from builder.forming.readiness import Readiness
from builder.machine.cidata import make_cidata
from builder.machine.machine import Machine
from builder.project import Project
from builder.run import run
from builder.store import Store

pytestmark = [pytest.mark.boot, pytest.mark.long]

Tree = Mapping[str, str]
CONFIG, PATCHES = "kubeadm/kubeadm.yaml", "kubeadm/patches/"
SENTINEL = "/run/cluster-api/bootstrap-success.complete"
NAME = "t-capi"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops@fleet"


def documents(tree: Tree) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(tree[CONFIG])}


def seconds(timeouts: Mapping[str, str]) -> dict[str, int]:
    """kubeadm's durations as the provider has them."""
    return {f"{name}Seconds": int(float(value.removesuffix("s"))) for name, value in timeouts.items()}


def registration(node: Node, document: Mapping[str, Any]) -> dict[str, Any]:
    arguments = [{"name": "provider-id", "value": f"test://{node.name}"}, {"name": "node-ip", "value": node.address}]
    return {
        "nodeRegistration": {"name": "{{ ds.meta_data.local_hostname }}", "kubeletExtraArgs": arguments},
        "patches": document["patches"],
        "timeouts": seconds(document["timeouts"]),
    }


def of_cluster(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is for this test's slow machines alone; all else has to come from the node's image."""
    paced = {part: document.get(part, {}).get("extraArgs") for part in ("apiServer", "controllerManager", "scheduler")}
    found: dict[str, Any] = {part: {"extraArgs": arguments} for part, arguments in paced.items() if arguments}
    return {**found, "etcd": {"local": {"extraArgs": document["etcd"]["local"]["extraArgs"]}}}


def kubeadm_config(cluster: Cluster, node: Node, tree: Tree) -> dict[str, Any]:
    """What a user gives the provider for a node."""
    own = {f"/run/config/{path}": text for path, text in tree.items() if path.startswith(PATCHES)}
    own[f"/run/config/{API_SERVERS}"] = "".join(f"{master.address}:{API_PORT}\n" for master in cluster.masters)
    if node.pods:
        own[f"/run/config/{POD_RANGE}"] = f"{node.pods}\n"
    files = [{"path": path, "owner": "root:root", "permissions": "0640", "content": text} for path, text in own.items()]
    spec: dict[str, Any] = {
        "files": files,
        "preKubeadmCommands": ["echo before >>/var/log/order"],
        "postKubeadmCommands": ["kubectl version --client >>/var/log/order"],
        "users": [{"name": "ops", "sudo": "ALL=(ALL) NOPASSWD:ALL", "sshAuthorizedKeys": [KEY]}],
    }
    found = documents(tree)
    if node.role == MASTER:
        place = {"advertiseAddress": node.address, "bindPort": API_PORT}
        spec["initConfiguration"] = {**registration(node, found["InitConfiguration"]), "localAPIEndpoint": place}
        spec["clusterConfiguration"] = of_cluster(found["ClusterConfiguration"])
    else:
        spec["joinConfiguration"] = registration(node, found["JoinConfiguration"])
    return {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
        "kind": "KubeadmConfig",
        "metadata": {"name": node.name},
        "spec": spec,
    }


def machine_of(cluster: Cluster, node: Node) -> Iterator[dict[str, Any]]:
    """A machine of Cluster API, and the one that the infrastructure has for it."""
    labels = {"cluster.x-k8s.io/cluster-name": NAME}
    if node.role == MASTER:
        labels["cluster.x-k8s.io/control-plane"] = ""
    names: dict[str, Any] = {"name": node.name, "namespace": "default"}
    config = {"apiGroup": "bootstrap.cluster.x-k8s.io", "kind": "KubeadmConfig", "name": node.name}
    yield {
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Machine", "metadata": {**names, "labels": labels},
        "spec": {
            "clusterName": NAME, "version": f"v{cluster.kubernetes_version}", "bootstrap": {"configRef": config},
            "infrastructureRef": {"apiGroup": GROUP, "kind": "BareMachine", "name": node.name},
        },
    }  # fmt: skip
    yield {"apiVersion": f"{GROUP}/v1", "kind": "BareMachine", "metadata": names, "spec": {"providerID": f"test://{node.name}"}}


def cluster_of(networking: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    host, port = ENDPOINT
    place, names = {"host": host, "port": port}, {"name": NAME, "namespace": "default"}
    ranges: dict[str, Any] = {"services": {"cidrBlocks": [networking["serviceSubnet"]]}, "serviceDomain": networking["dnsDomain"]}
    if "podSubnet" in networking:
        ranges["pods"] = {"cidrBlocks": [networking["podSubnet"]]}
    yield {
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "metadata": names,
        "spec": {
            "clusterNetwork": ranges, "controlPlaneEndpoint": place,
            "infrastructureRef": {"apiGroup": GROUP, "kind": "BareCluster", "name": NAME},
        },
    }  # fmt: skip
    yield {"apiVersion": f"{GROUP}/v1", "kind": "BareCluster", "metadata": names, "spec": {"controlPlaneEndpoint": place}}


def ordered(fleet: Management, cluster: Cluster, trees: Mapping[str, Tree]) -> None:
    """The cluster and its machines, whose infrastructure is there at once."""
    (master,) = cluster.masters
    fleet.apply(*cluster_of(documents(trees[master.name])["ClusterConfiguration"]["networking"]))
    fleet.provided("bareclusters", NAME)
    for node in cluster.nodes:
        fleet.apply(kubeadm_config(cluster, node, trees[node.name]), *machine_of(cluster, node))
        fleet.provided("baremachines", node.name)


def hand_over(node: Node, user_data: bytes) -> None:
    """Puts the manager's bootstrap data into the node's volume, in the place of what it has."""
    volume, network = node.directory / "cidata.img", node.directory / "network-config"
    run(["xorriso", "-osirrox", "on", "-indev", volume, "-extract", "/network-config", network])
    meta = yaml.safe_dump({"instance-id": f"i-{node.name}", "local-hostname": node.name}).encode()
    make_cidata({"meta-data": meta, "network-config": network.read_bytes(), "user-data": user_data}, volume)


def succeeded(machine: Machine, scale: float) -> None:
    poll(
        lambda: True if machine.shell().run(f"cat {SENTINEL}", machine.within(30)).code == 0 else None,
        Deadline.after(300, scale=scale),
        what="the file that says that kubeadm succeeded",
        interval=5.0,
    )
    assert said(machine, f"cat {SENTINEL}") == "success"


Formed = tuple[Cluster, dict[str, Machine], float, Management]


@pytest.fixture(scope="module")
def formed(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formed]:
    plan = planned(out, workers=1, unattended=True)
    trees: dict[str, Tree] = {}

    def given(cluster: Cluster) -> dict[str, Tree]:
        trees.update(plan.given(cluster))
        return {}

    with management(tmp_path_factory.mktemp("fleet") / "management", Store(), Project.here()) as fleet:

        def prepare(cluster: Cluster) -> None:
            ordered(fleet, cluster, trees)
            hand_over(cluster.masters[0], fleet.secret(cluster.masters[0].name, 120))
            write_aside(cluster.kubeconfig, kubeconfig(cluster, fleet.secret(f"{NAME}-kubeconfig", 60)), mode=0o600)

        own = replace(plan, name=NAME, given=given)
        with booted(own, prepare, first=lambda node: node.role == MASTER) as (cluster, machines, scale):
            (master,), (worker,) = cluster.masters, cluster.workers
            with way_to(master.ports.api, ENDPOINT[1]):
                succeeded(machines[master.name], scale)
                hand_over(worker, fleet.secret(worker.name, 120 * scale))
                machines.update(lifecycle.start(cluster, [worker], leashed=True))
                lifecycle.wait_ready([worker], machines)
                succeeded(machines[worker.name], scale)
                yield cluster, machines, scale, fleet


def test_both_nodes_are_ready_with_their_provider_ids(formed: Formed) -> None:
    cluster, machines, scale, _ = formed
    kubectl = Kubectl(cluster)
    engine = Engine(scale, lambda: lifecycle.obituary(machines))
    engine.run(Readiness(cluster, kubectl).checks())
    assert [found for found in engine.findings if found.outcome is not Outcome.PASSED] == []
    known = {each["metadata"]["name"]: each["spec"].get("providerID") for each in kubectl.items("nodes")}
    assert known == {node.name: f"test://{node.name}" for node in cluster.nodes}


def test_the_managers_know_the_machines_by_their_nodes(formed: Formed) -> None:
    cluster, _, scale, fleet = formed
    for node in cluster.nodes:

        def running(name: str = node.name) -> bool | None:
            status = fleet.get("machine", name).get("status", {})
            return True if (status.get("phase"), status.get("nodeRef", {}).get("name")) == ("Running", name) else None

        assert poll(running, Deadline.after(60, scale=scale), what=f"the machine {node.name} is Running", interval=2.0)


def test_commands_ran_in_their_order_and_have_kubectl(formed: Formed) -> None:
    for machine in formed[1].values():
        first, *rest = said(machine, "cat /var/log/order").splitlines()
        assert first == "before" and any(line.startswith("Client Version: v") for line in rest)


def test_what_the_provider_does_not_say_is_the_images(formed: Formed) -> None:
    cluster, machines, *_ = formed
    config = said(machines[cluster.masters[0].name], "cat /var/lib/kubelet/config.yaml")
    assert yaml.safe_load(config)["cgroupDriver"] == "cgroupfs", "kubeadm would have taken systemd"


def test_the_provider_s_users_log_in_by_their_names(formed: Formed) -> None:
    for machine in formed[1].values():
        assert said(machine, "cat /run/sshd/home/ops/.ssh/authorized_keys").strip() == KEY
