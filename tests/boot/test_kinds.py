"""A cluster of each kind that the other boot tests lack: formed by nodes alone, flannel, gVisor, a join that is taken back."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import answers_by_itself, booted, planned, variant

from builder.acceptance.across import Across
from builder.acceptance.classes import Classes
from builder.acceptance.outage import Outage
from builder.acceptance.policies import STRANGER, Policies
from builder.acceptance.sandbox import Sandbox
from builder.checks import Check, Engine, Outcome
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.forming import form
from builder.forming.objects import is_true, name_of
from builder.forming.readiness import Readiness
from builder.machine.disk import SMALLEST
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware
from builder.project import Project

pytestmark = pytest.mark.boot

Formed = tuple[Cluster, dict[str, Machine], float]


def pass_all(formed: Formed, checks: Iterable[Check]) -> None:
    cluster, machines, scale = formed
    engine = Engine(scale, lambda: lifecycle.obituary(machines))
    engine.run(list(checks))
    wrong = [f"{found.name}: {found.reason}" for found in engine.findings if found.outcome is not Outcome.PASSED]
    assert wrong == [], "\n".join(wrong)
    assert len(engine.findings) >= len(cluster.nodes), "there was something to see"


# A master and a worker that form their cluster by themselves, over flannel with NetworkPolicy, with a disk each, and gVisor


@pytest.fixture(scope="module")
def flannel_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = (Project.here().recipes / "cri-containerd.yml").read_text()
    assert "cni: bridge" in text
    path = tmp_path_factory.mktemp("recipe") / "flannel.yml"
    assert "policies: false" in text
    changed = text.replace("cni: bridge", "cni: flannel").replace("policies: false", "policies: true")
    assert "handlers: []" in text
    path.write_text(changed.replace("handlers: []", "handlers: [gvisor]"))
    return path


@pytest.fixture(scope="class")
def by_themselves(out: Path, flannel_recipe: Path) -> Iterator[Formed]:
    plan = planned(out, workers=1, recipe=flannel_recipe, unattended=True)
    hardware = plan.hardware.model_copy(update={"disk": SMALLEST})
    with booted(replace(plan, name="t-auto", hardware=hardware)) as formed:
        yield formed


class TestByThemselves:
    """In a class, at whose end the machines end."""

    def test_nodes_form_a_cluster_by_themselves_with_flannel(self, by_themselves: Formed) -> None:
        cluster, machines, scale = by_themselves
        kubectl = Kubectl(cluster)
        pass_all(by_themselves, [*form.by_themselves(cluster, machines), *Readiness(cluster, kubectl).checks()])
        between = Across(cluster, kubectl, 10 * scale).checks()
        pass_all(by_themselves, [check for check in between if check.id in ("A13", "A13a", "A13b")])

    def test_sandboxed_pods(self, by_themselves: Formed) -> None:
        """By gVisor on the worker, beside plain ones on the master."""
        cluster, machines, scale = by_themselves
        kubectl, patience = Kubectl(cluster), 10 * scale

        def on(node: Node, command: str) -> str:
            ended = machines[node.name].shell().run(command, Deadline.after(60, scale=scale))
            assert ended.code == 0, ended.output
            return ended.output

        # A node's first sandbox leaves a mount of runsc's own, null-netns: not one of those whose traces are looked for.
        first = Classes(cluster, kubectl, on, patience).checks()
        pass_all(by_themselves, [check for check in first if check.id in ("C1", "C2", "C3", "C6")])
        (gvisor,) = cluster.runtime.classes
        pass_all(by_themselves, Sandbox(cluster, kubectl, gvisor, on, patience).checks())

    @pytest.mark.long
    def test_policies_are_enforced(self, by_themselves: Formed) -> None:
        cluster, _, scale = by_themselves
        pass_all(by_themselves, Policies(cluster, Kubectl(cluster), max(5.0, 2 * scale)).checks())

    @pytest.mark.long
    def test_policies_hold_while_their_daemon_is_started_anew(self, by_themselves: Formed) -> None:
        cluster, _, scale = by_themselves
        kubectl = Kubectl(cluster)
        policies = Policies(cluster, kubectl, max(5.0, 2 * scale))
        pass_all(by_themselves, policies.checks()[3:5])  # the policy, and what it does
        daemons = ("pods", "-n", "kube-system", "-l", "k8s-app=kube-network-policies")
        before = {name_of(pod) for pod in kubectl.items(*daemons)}
        kubectl.text("delete", *daemons, "--wait=false")

        def anew() -> bool | None:
            """Until each node has another daemon that is ready, no stranger gets an answer."""
            answers = [answer for pod in policies.pods(STRANGER) for answer in policies.asked(pod).values()]
            assert answers and "page" not in answers
            ready = [pod for pod in kubectl.items(*daemons) if name_of(pod) not in before and is_true(pod, "Ready")]
            return True if len(ready) == len(cluster.nodes) else None

        poll(anew, Deadline.after(120, scale=scale), what="the daemons run anew")
        pass_all(by_themselves, policies.checks()[3:5])
        policies.lift()

    def test_they_come_back_after_a_power_cut(self, by_themselves: Formed) -> None:
        cluster, machines, _ = by_themselves
        kubectl = Kubectl(cluster)
        outage = Outage(cluster, machines, kubectl)
        outage.remember()
        outage.cut(cluster.nodes)
        assert machines == {}
        outage.power_on(cluster.nodes)

        def back() -> str:
            return ", ".join(outage.back(node) for node in cluster.nodes)

        def pods_back() -> str:
            return ", ".join(outage.pods_back(node) for node in cluster.nodes)

        after = [Check("B1", "each node came back", back, 300), Check("B2", "each pod came back", pods_back, 300)]
        pass_all(by_themselves, [*after, *Readiness(cluster, kubectl).checks()])


# Two masters, booted with UEFI from a CD


@pytest.mark.long
def test_a_join_of_a_master_that_broke_off_is_taken_back(base_plan: ClusterPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hardest of them: its kubelet, API server and etcd run already, and the cluster has its Node."""
    ended: list[str] = []

    def torn_once(output: str) -> bool:
        ended.append(output)
        return len(ended) == 2  # the first is that of kubeadm init

    monkeypatch.setattr("builder.forming.onnode.torn", torn_once)
    plan = variant(base_plan, "t-taken-back", Firmware.UEFI, Attachment.CDROM)
    with booted(replace(plan, masters=2)) as formed:
        cluster, machines, scale = formed
        form.init(cluster, machines, scale)
        form.join(cluster, cluster.masters[1:], machines, scale)
        answers_by_itself(cluster, lambda checks: pass_all(formed, checks))
    assert len(ended) == 3 and "[mark-control-plane]" in ended[1]
