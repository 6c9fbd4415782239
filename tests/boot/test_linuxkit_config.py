"""LinuxKit's own metadata: a JSON tree in the file config, by which a node makes a cluster with nobody at its console."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from boot_helpers import Running, boot

from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.machine.cidata import make_cidata

pytestmark = [pytest.mark.boot, pytest.mark.long]

# As for LinuxKit's Kubernetes: an empty `init` makes a master, and its own pods may run on it.
CONFIG = {"kubeadm": {"entries": {"init": {"content": ""}, "untaint-master": {"content": ""}}}}
KUBECTL = (
    "ctr -n services.linuxkit tasks exec --exec-id by-{by} kubelet "
    "sh -c 'KUBECONFIG=/etc/kubernetes/admin.conf kubectl --request-timeout=60s {words}'"
)


@pytest.fixture(scope="module")
def node(base_plan: ClusterPlan) -> Iterator[Running]:
    """A machine whose metadata volume has that file and no other, with its services running."""

    def config_alone(cluster: Cluster) -> None:
        (only,) = cluster.nodes
        make_cidata({"config": json.dumps(CONFIG).encode()}, only.directory / "cidata.img")

    yield from boot(replace(base_plan, name="t-config"), config_alone)


def test_a_master_makes_its_cluster_and_takes_pods(node: Running) -> None:
    _, machine, scale = node
    shell = machine.shell()

    def told(by: str, words: str) -> str:
        ended = shell.run(KUBECTL.format(by=by, words=words), Deadline.after(60, scale=scale))
        return ended.output if ended.code == 0 else ""

    def coredns() -> bool | None:
        """What init deploys last."""
        pods = told("pods", "get deployment coredns -n kube-system -o jsonpath={.status.readyReplicas}/{.spec.replicas}")
        return True if pods.strip() == "2/2" else None

    poll(coredns, Deadline.after(240, scale=scale), what="CoreDNS on the node", interval=5.0)
    (found,) = json.loads(told("nodes", "get nodes -o json"))["items"]
    assert "node-role.kubernetes.io/control-plane" in found["metadata"]["labels"]
    assert found["spec"].get("taints", []) == []
    assert [each["status"] for each in found["status"]["conditions"] if each["type"] == "Ready"] == ["True"]
