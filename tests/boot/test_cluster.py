"""Two nodes, and what goes wrong while their cluster forms and while it runs: each ends with one reason, within its deadline.

One pair of machines with the smallest disks goes through all of it, in this order; a second master joins them in its midst.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from boot_helpers import answers_by_itself, booted
from leftovers import leftovers

from builder.acceptance.across import Across
from builder.acceptance.smoke import Smoke
from builder.checks import Check, Engine, NotYet, Outcome
from builder.cluster import lifecycle, state
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.forming import form
from builder.forming.fit import LEASES
from builder.forming.join import join_node
from builder.forming.objects import condition
from builder.forming.readiness import Readiness
from builder.forming.secret import new_token
from builder.forming.tokens import bootstrap_token, discovery_of
from builder.machine.disk import SMALLEST
from builder.machine.machine import Machine

pytestmark = pytest.mark.boot

ROOT = Path(__file__).parents[2]
CUT = 60.0
"""Seconds for which the cable is out."""

NO_TOKEN = ("the cluster knows no such token, the token has expired, or its secret is another", "Unauthorized")

# Blocks are given to a file without being written, as many as there are; what is left after that is written, to the last one.
_FILL = """
busybox fallocate -l $(( ($(df -Pk /var | awk 'END { print $4 }') - 64) * 1024 )) /var/filler
for part in 1 2 3; do dd if=/dev/zero of=/var/filler.$part bs=4096 2>/dev/null; sync; done
df -Pk /var
mkdir /var/filler.folder
"""


@dataclass(frozen=True)
class Pair:
    """A master and a worker of a cluster that is laid out for two masters; `machines` follows those that are started anew."""

    whole: Cluster
    machines: dict[str, Machine]
    scale: float

    @property
    def cluster(self) -> Cluster:
        """As it is before the second master joins."""
        return self.whole.model_copy(update={"nodes": tuple(node for node in self.whole.nodes if node != self.second)})

    @property
    def master(self) -> Node:
        return self.whole.masters[0]

    @property
    def second(self) -> Node:
        return self.whole.masters[1]

    @property
    def worker(self) -> Node:
        return self.whole.workers[0]

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.cluster)

    def machine(self, node: Node) -> Machine:
        return self.machines[node.name]

    def within(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, scale=self.scale)

    def fill(self, node: Node) -> None:
        """Leaves no room on the node's disk, not even for a folder."""
        ended = self.machine(node).shell().run(_FILL, self.within(60))
        assert ended.code != 0 and "No space left on device" in ended.output, ended.output

    def free(self, node: Node) -> None:
        ended = self.machine(node).shell().run("rm -rf /var/filler*; sync; df -Pk /var", self.within(60))
        assert ended.code == 0, ended.output

    def join_fails(self, token: str, *words: str) -> None:
        """The worker's kubeadm join with that token ends by itself, and its reason has these words."""
        access = form.access(self.worker, self.machine(self.worker))
        with pytest.raises(CheckError) as failed:
            join_node(self.worker, access, self.scale, discovery_of(self.whole, token))
        assert [word for word in words if word not in failed.value.why] == [], str(failed.value)

    def passes(self, checks: Iterable[Check]) -> None:
        engine = Engine(self.scale, lambda: lifecycle.obituary(self.machines))
        engine.run(list(checks))
        wrong = [f"{found.name}: {found.reason}" for found in engine.findings if found.outcome is not Outcome.PASSED]
        assert wrong == [], "\n".join([*wrong, *self.machine(self.worker).console().tail(20)])

    def reach_each_other(self) -> None:
        checks = Across(self.cluster, self.kubectl, 10 * self.scale).checks()
        self.passes(check for check in checks if check.id == "A13b")


@pytest.fixture(scope="module")
def pair(pair_plan: ClusterPlan) -> Iterator[Pair]:
    """Two machines with their services running."""
    hardware = pair_plan.hardware.model_copy(update={"disk": SMALLEST})
    plan = replace(pair_plan, name="t-faults", hardware=hardware, masters=2)
    with booted(plan, first=lambda node: not node.name.endswith("-master-2")) as (cluster, machines, scale):
        yield Pair(cluster, machines, scale)


@pytest.fixture(scope="module")
def formed(pair: Pair) -> Pair:
    """The master after kubeadm init."""
    form.init(pair.whole, pair.machines, pair.scale)
    return pair


@pytest.fixture(scope="module")
def joined(formed: Pair) -> Pair:
    """Both nodes Ready, with a web server and a client on each."""
    form.join(formed.whole, [formed.worker], formed.machines, formed.scale)
    readiness = Readiness(formed.cluster, formed.kubectl)
    across = Across(formed.cluster, formed.kubectl, 10 * formed.scale)
    ready = Check("ready", "both nodes Ready", readiness.nodes, 180)
    formed.passes([ready, *(check for check in across.checks() if check.id in ("A13", "A13a", "A13b"))])
    return formed


# While it forms


def test_init_on_a_full_disk(pair: Pair) -> None:
    pair.fill(pair.master)
    try:
        with pytest.raises(CheckError, match="kubeadm init on t-faults-master-1") as failed:
            form.init(pair.whole, pair.machines, pair.scale)
        assert failed.value.why.startswith("a disk of the node is full"), str(failed.value)
        assert "no space left on device" in failed.value.why
    finally:
        pair.free(pair.master)


@pytest.mark.long
def test_join_with_a_wrong_token(formed: Pair) -> None:
    """A token's second half is its secret."""
    with bootstrap_token(formed.kubectl, formed.scale) as token:
        formed.join_fails(token[:7] + new_token()[7:], *NO_TOKEN)


@pytest.mark.long
def test_join_with_an_expired_token(formed: Pair) -> None:
    with bootstrap_token(formed.kubectl, formed.scale, hours=5 / 3600) as token:
        time.sleep(20)  # a guest's clock may be behind
        formed.join_fails(token, *NO_TOKEN)


@pytest.mark.long
def test_join_without_a_network(formed: Pair) -> None:
    worker = formed.machine(formed.worker)
    with bootstrap_token(formed.kubectl, formed.scale) as token:
        worker.set_link("cluster", up=False)
        try:
            formed.join_fails(token, "the API server can't be reached from the node", "127.0.0.1:7443")
        finally:
            worker.set_link("cluster", up=True)


def test_qemu_killed_during_join(formed: Pair) -> None:
    """Whoever waits for the join hears of it at once; the node, started again, joins in the next test."""
    worker = formed.machine(formed.worker)
    said = worker.spec.console_log.stat().st_size
    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(form.join, formed.whole, [formed.worker], formed.machines, formed.scale)

        def under_way() -> bool | None:
            return True if joining.done() or b"[preflight]" in worker.spec.console_log.read_bytes()[said:] else None

        poll(under_way, formed.within(90), what="kubeadm's first phase on the console", interval=0.05)
        assert not joining.done() and worker.pid, f"the join ended before its machine did: {joining.exception()}"
        os.kill(worker.pid, signal.SIGKILL)
        began = time.monotonic()
        error = joining.exception(timeout=600)
    assert isinstance(error, CheckError), error
    assert error.what.startswith("QEMU of t-faults-worker-1 has ended: "), str(error)
    assert time.monotonic() - began < 60
    assert worker.stop(grace=0).how == "ended before"
    formed.machines.update(lifecycle.start(formed.whole, [formed.worker], leashed=True))
    lifecycle.wait_ready([formed.worker], formed.machines)


# While it runs


def test_all_works_within_and_between_the_two(joined: Pair) -> None:
    """The checks of the suite across, but for what came before them."""
    cluster, kubectl, patience = joined.cluster, joined.kubectl, 10 * joined.scale
    rooms = (Readiness(cluster, kubectl), Smoke(cluster, kubectl, patience), Across(cluster, kubectl, patience))
    joined.passes(check for room in rooms for check in room.checks())


@pytest.mark.long
def test_the_network_is_cut_for_a_minute_and_heals(joined: Pair) -> None:
    worker = joined.machine(joined.worker)
    worker.set_link("cluster", up=False)
    try:
        assert answer_of_the_worker(joined) == "none", "the cable is out"
        seen = watched(joined, CUT)
    finally:
        worker.set_link("cluster", up=True)
    # Heartbeats come four times in the duration of a lease, which is shorter than the time after which a node is given up.
    grace = 50 * min(max(1.0, joined.scale), LEASES)
    assert [(after, status) for after, status in seen if after < 0.7 * grace and status != "True"] == []
    joined.passes([Check("ready", "both nodes Ready again", Readiness(joined.cluster, joined.kubectl).nodes, 120)])
    joined.reach_each_other()


def answer_of_the_worker(pair: Pair) -> str:
    """What a pod on the master hears from one on the worker: "some" or "none"."""
    pods = {
        (pod["metadata"]["labels"]["app"], pod["spec"]["nodeName"]): pod for pod in pair.kubectl.items("pods", "-n", "across")
    }
    address = pods["web", pair.worker.name]["status"]["podIP"]
    client = pods["client", pair.master.name]["metadata"]["name"]
    ping = f"ping -c 1 -w 10 {address} >/dev/null 2>&1 && echo some || echo none"
    return pair.kubectl.text("exec", "-n", "across", client, "--", "sh", "-c", ping).strip()


def watched(pair: Pair, seconds: float) -> list[tuple[float, str]]:
    """The worker's Ready condition as the API server has it, for so long: (seconds since the start, status)."""
    began, seen = time.monotonic(), []
    while (after := time.monotonic() - began) < seconds:
        seen.append((after, str(condition(pair.kubectl.get("node", pair.worker.name), "Ready").get("status"))))
        time.sleep(5)
    return seen


def test_a_second_master_joins(joined: Pair) -> None:
    """With an API server and a member of etcd of its own."""
    second, whole = joined.second, joined.whole
    joined.machines.update(lifecycle.start(whole, [second], leashed=True))
    lifecycle.wait_ready([second], joined.machines)
    form.join(whole, [second], joined.machines, joined.scale)
    answers_by_itself(whole, joined.passes)


def test_a_running_node_s_full_disk_is_told(joined: Pair) -> None:
    joined.fill(joined.worker)
    readiness = Readiness(joined.whole, joined.kubectl)

    def disk_pressure() -> str:
        try:
            told = readiness.nodes()
        except NotYet as reason:
            told = str(reason)
        if told != f"{joined.worker.name}: DiskPressure: kubelet has disk pressure":
            raise NotYet(told)
        return told

    joined.passes([Check("full", "the nodes' check says which node has a full disk", disk_pressure, 90)])


# Afterwards


def test_down_leaves_nothing(joined: Pair) -> None:
    """With one QEMU killed a moment before."""
    worker = joined.machine(joined.worker)
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait_ended(Deadline.after(30))
    ended = ["t-faults-master-1: quit", "t-faults-master-2: quit", "t-faults-worker-1: ended before"]
    assert sorted(lifecycle.down(joined.whole.name)) == ended
    assert_gone(joined.whole)


def assert_gone(cluster: Cluster) -> None:
    """No process, no socket, no file, no port."""
    assert leftovers(cluster.directory) == []
    assert not cluster.directory.exists()
    for node in cluster.nodes:
        for port in (node.ports.api, node.ports.http, node.ports.closed):
            with socket.socket() as candidate:
                candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                candidate.bind(("127.0.0.1", port))


def test_down_after_kubeiso_itself_was_killed(base_plan: ClusterPlan, out: Path, tmp_path: Path) -> None:
    """`kubeiso up` as a process, killed while its machine boots, which outlives it."""
    assert base_plan.media, "what it boots is built, so that it comes to that soon"
    kubeiso, directory = [sys.executable, "-m", "builder"], state.directory_of("t-killed")
    log = tmp_path / "up.log"
    with log.open("wb") as told:
        words = ["up", "--name", "t-killed", "--out", str(out), "--memory", "2048"]
        up = subprocess.Popen([*kubeiso, *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    try:
        poll(lambda: boots(directory) or up.poll() is not None or None, Deadline.after(600), what="a machine that boots")
        assert up.poll() is None, log.read_text()
        up.kill()
        up.wait()
        cluster = state.load("t-killed")
        assert Machine.attach(cluster.nodes[0].directory).alive(), log.read_text()
        down = subprocess.run([*kubeiso, "down", "--name", "t-killed"], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert (down.returncode, down.stdout) == (0, "t-killed-master-1: quit\n"), down.stderr
        assert_gone(cluster)
    finally:
        up.kill()
        up.wait()
        if "t-killed" in state.names():
            lifecycle.down("t-killed")


def boots(directory: Path) -> bool:
    """Whether the node's own init has spoken."""
    console = directory / f"{directory.name}-master-1" / "console.log"
    return console.exists() and b"KUBEISO {" in console.read_bytes()
