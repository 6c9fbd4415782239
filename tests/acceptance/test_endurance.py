"""Nodes that are lost, return and are added, in a world whose API server always knows of it a look too late."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster_samples import a_cluster
from healthy_world import STATIC, a_daemon_set, a_deployment

from builder.acceptance import smoke
from builder.acceptance.endurance import Endurance
from builder.acceptance.failover import Failover
from builder.checks import Check, Engine, NotYet, Outcome
from builder.cluster import lifecycle
from builder.cluster.model import Cluster, Node
from builder.errors import CheckError
from builder.forming import form
from builder.machine.machine import Ending


class World:
    """Machines, and what the API server shows of them: the change before the last one."""

    def __init__(self, made: Cluster) -> None:
        self.cluster = made
        self.boots = {node.name: 1 for node in made.nodes}
        self.machines: dict[str, Any] = {node.name: FakeMachine(self, node.name) for node in made.nodes}
        self.shown: dict[str, tuple[int, bool]] = {}
        self.known = set(self.boots)
        self.same_boot = False
        self.master = made.masters[-1].name
        self.replicas = 1
        self.scale = 1.0
        self.value = ""
        self.without_proxy = 0
        self.broken_pods: set[str] = set()
        self.look()

    def look(self) -> None:
        """What is so now is shown from the next look on."""
        self.shown = {name: (self.boots[name], name in self.machines) for name in self.known}

    def start(self, _: Cluster, nodes: Sequence[Node], leashed: bool) -> dict[str, Any]:
        assert leashed
        for node in nodes:
            assert node.name not in self.machines, "it runs already"
            self.boots[node.name] = self.boots.get(node.name, 0) + (0 if self.same_boot else 1)
            self.machines[node.name] = FakeMachine(self, node.name)
        return {node.name: self.machines[node.name] for node in nodes}

    def extend(self, made: Cluster, masters: int, workers: int) -> Cluster:
        assert (masters, workers) == (0, 1)
        return a_cluster(len(made.masters), len(made.workers) + 1, directory=made.directory)

    def join(self, _: Cluster, nodes: Sequence[Node], machines: dict[str, Any], __: float) -> None:
        assert all(node.name in machines for node in nodes)
        self.known |= {node.name for node in nodes}

    # What is used of kubectl

    def get(self, kind: str, name: str, *_: str) -> dict[str, Any]:
        if kind == "deployment":
            return a_deployment(name, 2)
        if kind == "daemonset":
            return a_daemon_set(name, len(self.known) - self.without_proxy)
        for node in self.items("nodes"):
            if node["metadata"]["name"] == name:
                return node
        raise NotYet(f"nodes {name!r} not found")

    def items(self, kind: str, *words: str) -> list[dict[str, Any]]:
        shown = self.shown
        self.look()
        if kind == "nodes":
            return [shown_node(name, boot, ready) for name, (boot, ready) in sorted(shown.items())]
        if "app=nginx" in words:
            return [shown_pod(f"nginx-{number}", sorted(shown)[-1], 1, True) for number in range(self.replicas)]
        pods = [
            shown_pod(f"pod-{name}", name, boot, ready and name not in self.broken_pods)
            for name, (boot, ready) in sorted(shown.items())
        ]
        if "-A" not in words:
            pods = [shown_pod(f"{part}-{each.name}", each.name, 1, True) for each in self.cluster.masters for part in STATIC]
        selected = words[-1].rpartition("=")[2] if "--field-selector" in words else ""
        return [pod for pod in pods if selected in ("", pod["spec"]["nodeName"])]

    def text(self, *words: str) -> str:
        if words[0] == "scale":
            self.replicas = int(words[-1].partition("=")[2])
        if "member" in words:
            return "".join(f"id, started, {each.name}, a, b, false\n" for each in self.cluster.masters)
        if "health" in words:
            return "it is healthy\n" * len(self.cluster.masters)
        if "put" in words:
            self.value = words[-1]
        return self.value if "get" in words and "--raw" not in words else "ok"


class FakeMachine:
    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def stop(self, grace: float) -> Ending:
        self._world.machines.pop(self._name, None)
        return Ending(how="powerdown" if grace else "quit")


def shown_node(name: str, boot: int, ready: bool) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": str(ready), "message": "as told"}], "nodeInfo": {"bootID": str(boot)}}
    return {"metadata": {"name": name}, "status": status}


def shown_pod(name: str, node: str, boot: int, ready: bool) -> dict[str, Any]:
    """Each boot of its node gives it a container of its own."""
    pod = shown_node(name, 0, ready)
    pod["metadata"]["uid"] = name
    pod["status"]["containerStatuses"] = [{"name": "main", "containerID": f"containerd://{boot}-{name}", "state": {}}]
    return {**pod, "spec": {"nodeName": node}}


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(a_cluster(*getattr(request, "param", (1, 2)), directory=tmp_path))
    monkeypatch.setattr(lifecycle, "start", made.start)
    monkeypatch.setattr(lifecycle, "wait_ready", lambda *_: 1.0)
    monkeypatch.setattr(lifecycle, "extend", made.extend)
    monkeypatch.setattr(form, "join", made.join)
    monkeypatch.setattr(smoke, "fetch", lambda *_: "Welcome to nginx!")
    return made


def grown(_: Cluster) -> None: ...


def an_endurance(world: World, told: Callable[[Cluster], None] = grown) -> Endurance:
    return Endurance(world.cluster, world.machines, world, 1.0, 5.0, told)  # type: ignore[arg-type]


def run(checks: Sequence[Check]) -> dict[str, str]:
    """The checks that did not pass, with their reasons. Each gets a few looks."""
    engine = Engine(0.001, lambda: None, interval=0.001)
    engine.run(list(checks))
    return {found.id: found.reason.partition(" (still so")[0] for found in engine.findings if found.outcome is Outcome.FAILED}


def test_all_come_back(world: World) -> None:
    told: list[Cluster] = []
    assert run(an_endurance(world, told.append).checks()) == {}
    assert [node.name for node in told[0].nodes] == ["c-master-1", "c-worker-1", "c-worker-2", "c-worker-3"]
    assert world.boots == {"c-master-1": 2, "c-worker-1": 2, "c-worker-2": 3, "c-worker-3": 2}


def test_a_power_cut_that_was_none_is_seen(world: World) -> None:
    """Nodes that are Ready with the boot before did not come back: they were never away."""
    found = an_endurance(world)
    world.same_boot = True
    checks = {check.id: check for check in found.checks()}
    assert run([checks["A18a"]]) == {}
    assert run([checks["A18b"]]) == {"A18b": "the API server still shows the boot before of c-master-1"}


def test_an_added_node_that_never_registers_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "join", lambda *_: None)
    checks = {check.id: check for check in an_endurance(world).checks()}
    assert run([checks["A17c"], checks["A18a"]]) == {"A18a": "the API server does not know c-worker-3"}


def test_an_added_node_without_its_proxy_is_seen(world: World) -> None:
    """Every pod that there is is Ready."""
    checks = {check.id: check for check in an_endurance(world).checks()}
    world.without_proxy = 1
    wanted = "kube-proxy: 3 desired, wanted 4"
    assert run([checks["A17a"], checks["A17b"], checks["A17c"], checks["A17d"]]) == {"A17d": wanted}
    world.without_proxy = 0
    assert run([checks["A17d"], checks["A18a"], checks["A18c"]]) == {}
    world.without_proxy = 1
    assert run([checks["A18c"]]) == {"A18c": wanted}


def test_a_node_that_shows_another_page_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {check.id: check for check in an_endurance(world).checks()}
    assert run([checks["A17c"]]) == {}
    added = world.extend(world.cluster, 0, 1).workers[-1]
    page = {added.ports.http: "<h1>It works!</h1>"}
    monkeypatch.setattr(smoke, "fetch", lambda port, *_: page.get(port, "Welcome to nginx!"))
    found = run([checks["A17e"]]) | run([checks["A18d"]])
    assert set(found) == {"A17e", "A18d"} and all("another page" in reason for reason in found.values()), found


def test_a_worker_that_comes_back_without_its_pods_is_seen(world: World) -> None:
    checks = {check.id: check for check in an_endurance(world).checks()}
    world.broken_pods = {"c-worker-2"}
    assert run([checks["A17a"]]) == {}
    assert run([checks["A17b"]]) == {"A17b": "not Ready: pod-c-worker-2"}
    world.same_boot, world.broken_pods = True, set()
    again = {check.id: check for check in an_endurance(world).checks()}
    assert run([again["A17a"]]) == {}
    assert run([again["A17b"]]) == {"A17b": "the API server still shows the boot before of c-worker-2"}


def test_a_join_that_fails_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise CheckError("kubeadm join ended with exit code 1")

    monkeypatch.setattr(form, "join", refused)
    checks = {check.id: check for check in an_endurance(world).checks()}
    assert run([checks["A17c"]]) == {"A17c": "kubeadm join ended with exit code 1"}


@pytest.mark.parametrize("broken", ["power button", "notice"])
def test_a_loss_that_goes_wrong_is_seen(world: World, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    if broken == "power button":
        monkeypatch.setattr(FakeMachine, "stop", lambda *_, **__: Ending(how="SIGKILL"))
        reason = "c-worker-2 did not power off by itself: SIGKILL"
    else:
        monkeypatch.setattr(world, "look", lambda: None)
        reason = "still seen as Ready: as told"
    (check,) = [each for each in an_endurance(world).checks() if each.id == "A17a"]
    assert run([check]) == {"A17a": reason}


@pytest.mark.parametrize("world", [(3, 1)], indirect=True)
def test_the_first_of_three_masters_is_lost_and_comes_back(world: World) -> None:
    assert run(Failover(world.cluster, world.machines, world).checks()) == {}  # type: ignore[arg-type]
    assert world.boots == {"c-master-1": 2, "c-master-2": 1, "c-master-3": 1, "c-worker-1": 1}


@pytest.mark.parametrize("world", [(3, 1)], indirect=True)
def test_an_answer_of_the_lost_master_is_none(world: World) -> None:
    world.master = "c-master-1"
    checks = failover(world)
    assert checks["H1"].look() == "3 machines are left"
    with pytest.raises(NotYet, match="'ok' is c-master-1, which has no power"):
        checks["H2"].look()


def failover(world: World) -> dict[str, Check]:
    return {check.id: check for check in Failover(world.cluster, world.machines, world).checks()}  # type: ignore[arg-type]


@pytest.mark.parametrize("world", [(3, 1)], indirect=True)
def test_a_master_that_does_not_really_come_back_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = failover(world)
    world.known.discard("c-master-3")
    world.look()
    assert run([checks["H1"]]) == {"H1": "the API server does not know c-master-3"}
    world.known.add("c-master-3")
    world.look()
    world.same_boot = True
    assert run([checks["H1"], checks["H6"]]) == {}
    assert run([checks["H7"]]) == {"H7": "the API server still shows the boot before of c-master-1"}
    world.broken_pods = {"c-master-1"}
    assert run([checks["H9"]]) == {"H9": "not Ready: pod-c-master-1"}
    monkeypatch.setattr(world, "text", lambda *words: "it is healthy\n" if "health" in words else World.text(world, *words))
    assert run([checks["H8"]])["H8"].startswith("1 of 3 members healthy")


@pytest.mark.parametrize("world", [(3, 1)], indirect=True)
def test_a_master_that_does_not_start_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise CheckError("QEMU ended with exit code 1")

    checks = failover(world)
    assert run([checks["H1"]]) == {}
    monkeypatch.setattr(lifecycle, "start", gone)
    assert run([checks["H6"]]) == {"H6": "QEMU ended with exit code 1"}
