"""Nodes whose user-data is that of Cluster API's kubeadm bootstrap provider: a control plane, and a worker that joins it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from boot_helpers import booted, planned, said

from builder.checks import Engine, Outcome
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.forming.readiness import Readiness
from builder.machine.cidata import make_cidata
from builder.machine.machine import Machine
from builder.run import run

pytestmark = [pytest.mark.boot, pytest.mark.long]

Formed = tuple[Cluster, dict[str, Machine], float]
CONFIG = "kubeadm/kubeadm.yaml"
PKI = "kubeadm/pki/"

# What the provider writes of each document where nothing else is asked for; the rest has to come from the node's image.
ITS_OWN = {
    "ClusterConfiguration": ("apiVersion", "kind", "clusterName", "kubernetesVersion", "networking", "apiServer", "scheduler"),
    "InitConfiguration": ("apiVersion", "kind", "bootstrapTokens", "localAPIEndpoint", "patches", "timeouts"),
    "JoinConfiguration": ("apiVersion", "kind", "discovery", "patches", "timeouts"),
}
SENTINEL = "/run/cluster-api/bootstrap-success.complete"


def configuration(text: str, name: str) -> str:
    documents: list[dict[str, Any]] = []
    for each in yaml.safe_load_all(text):
        if each["kind"] in ITS_OWN:
            documents.append({key: each[key] for key in ITS_OWN[each["kind"]] if key in each})
    for each in documents:
        if each["kind"] != "ClusterConfiguration":
            arguments = [{"name": "provider-id", "value": f"test://{name}"}, {"name": "node-ip", "value": "ADDRESS"}]
            each["nodeRegistration"] = {"name": "{{ ds.meta_data.local_hostname }}", "kubeletExtraArgs": arguments}
    return yaml.safe_dump_all(documents)


def user_data(node: Node, tree: Mapping[str, str]) -> bytes:
    """In the words of the provider's templates (bootstrap/kubeadm/pkg/cloudinit of Cluster API 1.14)."""
    verb = "init" if "kubeadm/init" in tree else "join"
    file = "/run/kubeadm/kubeadm.yaml" if verb == "init" else "/run/kubeadm/kubeadm-join-config.yaml"
    texts = {file: configuration(tree[CONFIG], node.name).replace("ADDRESS", node.address)}
    texts["/run/cluster-api/placeholder"] = "This placeholder file is used to create the /run/cluster-api sub directory"
    for path, text in tree.items():
        if path.startswith(PKI):
            texts[f"/etc/kubernetes/pki/{path.removeprefix(PKI)}"] = text
        elif path not in (CONFIG, f"kubeadm/{verb}"):
            texts[f"/run/config/{path}"] = text
    files = [{"path": path, "owner": "root:root", "permissions": "0640", "content": text} for path, text in texts.items()]
    commands = [
        "echo before >>/var/log/order",
        f"kubeadm {verb} --config {file}  && echo success > {SENTINEL}",
        "kubectl version --client >>/var/log/order",
    ]
    document = yaml.safe_dump({"write_files": files, "runcmd": commands}, sort_keys=False)
    return f"## template: jinja\n#cloud-config\n\n{document}".encode()


@pytest.fixture(scope="module")
def formed(out: Path) -> Iterator[Formed]:
    plan = planned(out, workers=1, unattended=True)
    trees: dict[str, Mapping[str, str]] = {}

    def given(cluster: Cluster) -> dict[str, Mapping[str, str]]:
        trees.update(plan.given(cluster))
        return {}

    def as_the_provider_does(cluster: Cluster) -> None:
        for node in cluster.nodes:
            volume = node.directory / "cidata.img"
            network = node.directory / "network-config"
            run(["xorriso", "-osirrox", "on", "-indev", volume, "-extract", "/network-config", network])
            own = {"pod-network/subnet": f"{node.pods}\n"} if node.pods else {}
            meta = yaml.safe_dump({"instance-id": f"i-{node.name}", "local-hostname": node.name}).encode()
            files = {
                "meta-data": meta,
                "network-config": network.read_bytes(),
                "user-data": user_data(node, {**trees[node.name], **own}),
            }
            make_cidata(files, volume)

    with booted(replace(plan, name="t-capi", given=given), as_the_provider_does) as (cluster, machines, scale):
        yield cluster, machines, scale


def test_both_nodes_are_ready_with_their_provider_ids(formed: Formed) -> None:
    cluster, machines, scale = formed
    kubectl = Kubectl(cluster)
    for node in cluster.nodes:
        machine = machines[node.name]
        poll(
            lambda: True if machine.shell().run(f"cat {SENTINEL}", machine.within(30)).code == 0 else None,  # noqa: B023
            Deadline.after(300, scale=scale),
            what=f"{node.name} has the file that says so",
            interval=5.0,
        )
        assert said(machine, f"cat {SENTINEL}") == "success"
    engine = Engine(scale, lambda: lifecycle.obituary(machines))
    engine.run(Readiness(cluster, kubectl).checks())
    assert [found for found in engine.findings if found.outcome is not Outcome.PASSED] == []
    known = {each["metadata"]["name"]: each["spec"].get("providerID") for each in kubectl.items("nodes")}
    assert known == {node.name: f"test://{node.name}" for node in cluster.nodes}


def test_commands_ran_in_their_order_and_have_kubectl(formed: Formed) -> None:
    _, machines, _ = formed
    for machine in machines.values():
        first, *rest = said(machine, "cat /var/log/order").splitlines()
        assert first == "before" and any(line.startswith("Client Version: v") for line in rest)


def test_what_the_provider_does_not_say_is_the_images(formed: Formed) -> None:
    cluster, machines, _ = formed
    config = said(machines[cluster.masters[0].name], "cat /var/lib/kubelet/config.yaml")
    assert yaml.safe_load(config)["cgroupDriver"] == "cgroupfs", "kubeadm would have taken systemd"
