"""Clusters that go on with another Kubernetes: a master alone, to a newer patch and back, and to the next minor version,
whose former medium is refused after that; and three masters and a worker, by `kubeiso upgrade`, while a Service answers."""

import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from boot_helpers import booted, planned
from powered import Powered

from builder.checks import Check
from builder.cli import upgrade
from builder.cluster import state
from builder.cluster.guestports import NODE_PORT
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster
from builder.errors import CheckError
from builder.forming import form
from builder.forming.objects import rolled_out
from builder.forming.readiness import Readiness
from builder.forming.upgrade import Upgrade
from builder.pipeline.pins import add_kubernetes
from builder.progress import note
from builder.project import Project
from builder.store import Store

pytestmark = [pytest.mark.boot, pytest.mark.long]

DISK = 6144
EARLIER_PATCH = "1.36.1"
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      tolerations: [{{operator: Exists, effect: NoSchedule}}]
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: nginx
        image: docker.io/kubeiso/nginx:1
        imagePullPolicy: Never
        ports: [{{containerPort: 80}}]
        readinessProbe: {{httpGet: {{port: 80}}, periodSeconds: 2}}
        lifecycle: {{preStop: {{sleep: {{seconds: 10}}}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, selector: {{app: web}}, ports: [{{port: 80, nodePort: {NODE_PORT}}}]}}
"""


@pytest.fixture(scope="module")
def of(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ClusterPlan]:
    """Media of the default recipe with that version of Kubernetes, as the project pins it."""

    def made(
        version: str, *, project: Project | None = None, masters: int = 1, workers: int = 0, unattended: bool = False
    ) -> ClusterPlan:
        recipe = tmp_path_factory.mktemp("recipe") / f"kubernetes-{version}.yml"
        text = (Project.here().recipes / "cri-containerd.yml").read_text()
        recipe.write_text(text.replace("  version: 1.36.3\n", f"  version: '{version}'\n"))
        plan = planned(out, project=project, recipe=recipe, masters=masters, workers=workers, unattended=unattended)
        return replace(plan, hardware=plan.hardware.model_copy(update={"disk": DISK}))

    return made


def onto(powered: Powered, plan: ClusterPlan) -> None:
    """The machines off by their buttons, and the next start from the plan's media."""
    powered.off(1)
    powered.cluster = powered.cluster.model_copy(update={"media": {**powered.cluster.media, **plan.media}})
    state.save(powered.cluster)


def test_a_master_goes_on_with_the_next_minor_version_and_not_back(of: Callable[..., ClusterPlan]) -> None:
    old, new = of("1.36", unattended=True), of("1.37")
    with booted(replace(old, name="t-upgrade")) as (cluster, machines, scale):
        powered, kubectl = Powered(cluster, machines, scale), Kubectl(cluster)
        node = cluster.masters[0]
        powered.becomes_whole()
        before = powered.identity()
        kubectl.text("create", "configmap", "kept", "--from-literal=word=kept")
        onto(powered, new)
        powered.start()
        steps = Upgrade(cluster, new.kubernetes_version, kubectl)
        powered.passes([*steps.after(node), *Readiness(cluster, kubectl).checks()])
        as_new(powered, before, new, old.kubernetes_version)
        onto(powered, old)
        with pytest.raises(CheckError, match=f"v{old.kubernetes_version} is older.*boot a medium with v1.37"):
            powered.start()
        onto(powered, new)
        powered.start()
        powered.passes(Readiness(cluster, kubectl).checks())
        as_new(powered, before, new, old.kubernetes_version)


def test_a_master_goes_on_with_a_newer_patch_and_back(of: Callable[..., ClusterPlan], tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    earlier = Project(Project.here().root, own=tmp_path)
    add_kubernetes(EARLIER_PATCH, earlier, Store())
    old, new = of(EARLIER_PATCH, project=earlier, unattended=True), of("1.36")
    assert old.kubernetes_version == EARLIER_PATCH < new.kubernetes_version
    with booted(replace(old, name="t-patch")) as (cluster, machines, scale):
        powered, kubectl = Powered(cluster, machines, scale), Kubectl(cluster)
        powered.becomes_whole()
        before = powered.identity()
        kubectl.text("create", "configmap", "kept", "--from-literal=word=kept")
        for former, plan in ((old, new), (new, old)):
            onto(powered, plan)
            powered.start()
            steps = Upgrade(cluster, plan.kubernetes_version, kubectl)
            powered.passes([*steps.after(cluster.masters[0]), *Readiness(cluster, kubectl).checks()])
            as_new(powered, before, plan, former.kubernetes_version)


def as_new(powered: Powered, identity: str, plan: ClusterPlan, former: str) -> None:
    """The cluster that it was, on the plan's version throughout, with a copy of the etcd that it had under the former one."""
    kubectl, version = Kubectl(powered.cluster), f"v{plan.kubernetes_version}"
    assert powered.identity() == identity
    assert kubectl.get("configmap", "kept")["data"] == {"word": "kept"}
    assert f'"gitVersion": "{version}"' in kubectl.text("get", "--raw", "/version")
    config = kubectl.get("configmap", "kubeadm-config", "-n", "kube-system")["data"]["ClusterConfiguration"]
    assert f"kubernetesVersion: {version}\n" in config
    proxy = kubectl.get("daemonset", "kube-proxy", "-n", "kube-system")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert proxy.endswith(f":{version}")
    for machine in powered.machines.values():
        copied = machine.shell().run(f"ls /var/lib/etcd-copies/v{former}-before-{version}/member/snap/db", machine.within(30))
        assert copied.code == 0, copied.output


@contextmanager
def asked(cluster: Cluster) -> Iterator[Counter[str]]:
    """The Service, asked again and again meanwhile by way of any node that answers; how often it did, and how often none did."""
    found: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        for number in count():
            if over.wait(1.0):
                return
            first = number % len(cluster.nodes)
            ways = [*cluster.nodes[first:], *cluster.nodes[:first]]
            tries = next((tried for tried, node in enumerate(ways) if answers(node.ports.http)), None)
            found["failed" if tries is None else "answered" if tries == 0 else "answered by another node"] += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield found
    finally:
        over.set()
        asking.join()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def test_a_pair_is_upgraded_while_a_service_answers(of: Callable[..., ClusterPlan]) -> None:
    upgraded_under_load(of, "t-pair", masters=1)


def test_three_masters_and_a_worker_are_upgraded_while_a_service_answers(of: Callable[..., ClusterPlan]) -> None:
    upgraded_under_load(of, "t-rolling", masters=3)


def upgraded_under_load(of: Callable[..., ClusterPlan], name: str, masters: int) -> None:
    """So many masters and a worker, formed over their consoles, by `kubeiso upgrade`."""
    old, new = of("1.36", masters=masters, workers=1), of("1.37", masters=masters, workers=1)
    with booted(replace(old, name=name)) as (cluster, machines, scale):
        form.init(cluster, machines, scale)
        form.join(cluster, [node for node in cluster.nodes if node != cluster.masters[0]], machines, scale)
        powered, kubectl = Powered(cluster, machines, scale), Kubectl(cluster)
        powered.passes(Readiness(cluster, kubectl).checks())
        kubectl.text("apply", "-f", "-", input=WEB)
        powered.passes([Check("web", "two replicas run", lambda: rolled_out(kubectl.get("deployment", "web"), 2), 240)])
        for machine in machines.values():
            machine.close()
        with asked(cluster) as found:
            done = upgrade.carry_out(cluster, new, 1800)
        note(f"requests while {len(done)} nodes were upgraded: {dict(found)}")
        assert done == [node.name for node in cluster.nodes]
        assert found["failed"] <= sum(found.values()) / 20 and found["answered"] > 100
        now = state.load(cluster.name)
        assert set(Upgrade(now, "", Kubectl(now)).running().values()) == {new.kubernetes_version}
        assert now.kubernetes_version == new.kubernetes_version and all(node.medium is None for node in now.nodes)
        assert upgrade.carry_out(now, new, 600) == [], "what is done is not done again"
