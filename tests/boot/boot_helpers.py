"""What the boot tests share."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from markupsafe import escape
from pexpect.fdpexpect import fdspawn
from witness import Witness

from builder.acceptance import report
from builder.acceptance.ledger import Ledger
from builder.acceptance.run import run_suite
from builder.acceptance.suites import known
from builder.checks import Check
from builder.cluster import lifecycle, state
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Hardware, Node
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import cluster_plan
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.store import Store

Running = tuple[Cluster, Machine, float]
CONSOLES = BuildOptions(console_login=True)


def planned(
    out: Path,
    *,
    masters: int = 1,
    workers: int = 0,
    project: Project | None = None,
    recipe: Path | None = None,
    options: BuildOptions = CONSOLES,
    unattended: bool = False,
) -> ClusterPlan:
    """Media built the way `kubeiso up` builds them, of the default recipe, with the consoles open."""
    project = project or Project.here()
    return cluster_plan(
        project, recipe or project.recipes / "cri-containerd.yml", Store(), out, options,
        name="plan", hardware=Hardware(), masters=masters, workers=workers, unattended=unattended,
    )  # fmt: skip


def as_laid_out(_: Cluster) -> None:
    """Nothing is changed before the start."""


def every_node(_: Node) -> bool:
    """All machines start at once."""
    return True


@contextmanager
def booted(
    plan: ClusterPlan, prepare: Callable[[Cluster], None] = as_laid_out, first: Callable[[Node], bool] = every_node
) -> Iterator[tuple[Cluster, dict[str, Machine], float]]:
    """The machines of the plan with their services running; ended and removed afterwards, where a test has not done so.

    prepare: changes the cluster's files before its machines start. first: whether a node is started here, and not by the test.
    """
    with state.locked(plan.name) as directory:
        cluster = lifecycle.create(plan, directory)
        machines: dict[str, Machine] = {}
        try:
            prepare(cluster)
            nodes = [node for node in cluster.nodes if first(node)]
            machines = lifecycle.start(cluster, nodes, leashed=True)
            yield cluster, machines, lifecycle.wait_ready(nodes, machines)
        finally:
            for machine in machines.values():
                machine.stop(grace=0)
            if plan.name in state.names():
                lifecycle.down(plan.name)


def boot(plan: ClusterPlan, prepare: Callable[[Cluster], None] = as_laid_out) -> Iterator[Running]:
    """A machine of the plan with its services running; ended and removed afterwards."""
    with booted(plan, prepare) as (cluster, machines, scale):
        yield cluster, machines[cluster.nodes[0].name], scale


def passes(
    plan: ClusterPlan, suite_name: str, out: Path, e2e_test: Path | None = None, ledger: Ledger | None = None
) -> None:  # fmt: skip
    """A whole run of a suite, after which nothing of the cluster is left but its results, each node's console among them.

    Nothing that lets others into the cluster is in any file that the run left, but in the kubeconfig.
    """
    witness = Witness()
    with state.locked(plan.name) as directory:
        cluster = lifecycle.create(plan, directory)
        try:
            found = run_suite(cluster, witness.watched(known()[suite_name]), out / plan.name, e2e_test, ledger)
            assert found.passed, report.text(found)
            witness.proven(cluster, out / plan.name)
            leaks = witness.leaks(cluster, out / plan.name)
            assert not leaks, leaks
        finally:
            lifecycle.down(plan.name)
    assert not directory.exists()
    page = (out / plan.name / "report.html").read_text()
    assert "PASSED" in page and all(escape(finding.name) in page for finding in found.findings)
    assert "data:image/png;base64," in page, "the last screens"
    for node in cluster.nodes:
        assert f'href="console-{node.name}.log"' in page and (out / plan.name / f"console-{node.name}.log").stat().st_size > 1000


def variant(plan: ClusterPlan, name: str, firmware: Firmware, attachment: Attachment, memory: int = 2048) -> ClusterPlan:
    """The same medium in another machine."""
    change = {"firmware": firmware, "attachment": attachment, "memory": memory}
    return replace(plan, name=name, hardware=plan.hardware.model_copy(update=change))


def shown(machine: Machine) -> str:
    """All that came to the machine's console since its first start."""
    return machine.spec.console_log.read_text(errors="replace")


def answers_by_itself(cluster: Cluster, passes_all: Callable[[Iterable[Check]], None]) -> None:
    """All nodes of a cluster whose last master joined now are Ready, and that master's own API server answers."""
    passes_all(Readiness(cluster, Kubectl(cluster)).checks())
    kubectl = Kubectl(cluster)
    kubectl._masters.rotate(1)
    assert kubectl.master == cluster.masters[-1].name
    assert kubectl.text("get", "--raw", "/readyz").strip() == "ok", f"{kubectl.master}'s own API server"


def said(machine: Machine, command: str, seconds: float = 30) -> str:
    """What a command on the node writes, which has to end with 0, in so many seconds at native speed."""
    ended = machine.shell().run(command, machine.within(seconds))
    assert ended.code == 0, f"{command}: {ended.output}"
    return ended.output.strip()


@contextmanager
def typing_at(machine: Machine) -> Iterator["fdspawn[bytes]"]:
    """The console as a person has it: nothing between the keyboard and the node's shell."""
    machine.close()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(machine.spec.console_socket))
        yield fdspawn(connection.fileno(), timeout=120)
