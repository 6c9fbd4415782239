"""The verb upgrade: what it refuses, the order of what it does, and how it goes on after an interruption; without machines."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_samples import a_cluster
from program import Outcome

from builder.checks import Check, NotYet
from builder.cli import upgrade
from builder.cluster import lifecycle, media, state
from builder.cluster.model import MASTER, WORKER, Cluster, Hardware
from builder.errors import CheckError, InputError

pytest_plugins = ["cli_fixtures", "cluster_fixtures"]
ORDER = ["c-master-1", "c-master-2", "c-worker-1"]


def test_a_cluster_that_is_not_there(kubeiso: Callable[..., Outcome]) -> None:
    assert kubeiso("upgrade", "--name", "try").failed(2, "there is no cluster try", next="kubeiso up")


@pytest.fixture
def cluster(root: Path) -> Cluster:
    (root / "c").mkdir()
    made = a_cluster(masters=2, workers=1, directory=root / "c")
    for name in ("kubeconfig", "kubectl", "former.iso"):
        (root / "c" / name).touch()
    boots = dict.fromkeys((MASTER, WORKER), root / "c" / "former.iso")
    made = made.model_copy(update={"hardware": Hardware(disk=4096), "media": boots})
    state.save(made)
    return made


class World:
    """Machines that are names: what is done to them, what each runs from; `stuck` is the node whose pods don't move."""

    def __init__(self, cluster: Cluster) -> None:
        self.done: list[str] = []
        self.from_: dict[str, Path | None] = {node.name: None for node in cluster.nodes}
        self.off: set[str] = set()
        self.stuck = self.cut = ""

    def runs(self, node: Any) -> bool:
        return node.name not in self.off

    def has(self, node: Any, _: Path) -> bool:
        return self.runs(node) and node.medium is not None and self.from_[node.name] == node.medium

    def stop(self, folder: Path, _: float) -> str:
        self.done.append(f"stop {folder.name}")
        self.off.add(folder.name)
        return "powerdown"

    def start(self, _: Cluster, nodes: Any) -> dict[str, Any]:
        (node,) = nodes
        if node.name == self.cut:
            raise KeyboardInterrupt
        self.done.append(f"start {node.name}")
        self.off.discard(node.name)
        self.from_[node.name] = node.medium
        return {}


class Steps:
    """The checks of builder.forming.upgrade, as notes."""

    world: World

    def __init__(self, *_: Any) -> None: ...

    def _noted(self, verb: str, name: str) -> str:
        self.world.done.append(f"{verb} {name}")
        return ""

    def before(self, node: Any) -> list[Check]:
        return [Check("B", "before", lambda: self._noted("await the others of", node.name))]

    def drain(self, node: Any, _: float) -> list[Check]:
        def look() -> str:
            if self.world.stuck == node.name:
                raise NotYet("would violate the pod's disruption budget")
            return self._noted("drain", node.name)

        return [Check("D", "its pods have moved", look, once=True)]

    def after(self, node: Any) -> list[Check]:
        return [Check("A", "after", lambda: self._noted("await", node.name))]

    def uncordon(self, node: Any) -> str:
        return self._noted("uncordon", node.name)


@pytest.fixture
def world(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(cluster)
    monkeypatch.setattr(Steps, "world", made, raising=False)
    monkeypatch.setattr(upgrade, "Upgrade", Steps)
    monkeypatch.setattr(upgrade, "runs", made.runs)
    monkeypatch.setattr(upgrade, "whole", lambda *_: made.done.append("whole"))
    monkeypatch.setattr(media, "has", made.has)
    fake = {
        "stop": made.stop,
        "start": made.start,
        "wait_ready": lambda *_: 1.0,
        "attach": lambda *_: {},
        "obituary": lambda _: None,
    }
    for name, function in fake.items():
        monkeypatch.setattr(lifecycle, name, function)
    monkeypatch.setattr(upgrade, "released", nullcontext)
    return made


@pytest.fixture
def plan(tmp_path: Path, cluster: Cluster) -> Any:
    built = {role: tmp_path / f"{role}-new.iso" for role in (MASTER, WORKER)}
    for role, path in built.items():
        path.write_text(role)
    (tmp_path / "kubectl").touch()
    brings = {"kubectl": tmp_path / "kubectl", "runtime": cluster.runtime, "workloads": (), "network": cluster.network}
    return SimpleNamespace(media=built, kubernetes_version="1.37.2", **brings)


def whole_way(name: str) -> list[str]:
    return [f"await the others of {name}", f"drain {name}", f"stop {name}", f"start {name}", f"await {name}"]


def test_one_node_after_another_masters_first(cluster: Cluster, world: World, plan: Any) -> None:
    assert upgrade.carry_out(cluster, plan, 60) == ORDER
    assert world.done == [*(step for name in ORDER for step in whole_way(name)), "whole"]
    now = state.load("c")
    assert now.kubernetes_version == "1.37.2" and now.media[MASTER].read_text() == MASTER
    assert [node.medium for node in now.nodes] == [None, None, None]


def test_what_was_interrupted_goes_on_where_it_was(cluster: Cluster, world: World, plan: Any) -> None:
    world.cut = "c-master-2"
    with pytest.raises(KeyboardInterrupt):
        upgrade.carry_out(cluster, plan, 60)
    world.cut, world.done = "", []
    left = state.load("c")
    upgrade.refuse(left)  # the node that is off is the upgrade's own doing
    assert upgrade.carry_out(left, plan, 60) == ["c-master-2", "c-worker-1"]
    assert world.done == ["await c-master-1", "start c-master-2", "await c-master-2", *whole_way("c-worker-1"), "whole"]


def test_pods_that_may_not_move_keep_their_node(cluster: Cluster, world: World, plan: Any) -> None:
    world.stuck = "c-master-2"
    with pytest.raises(CheckError, match="disruption budget") as error:
        upgrade.carry_out(cluster, plan, 60)
    assert "the same command goes on from here" in error.value.hint
    assert world.done[-2:] == ["await the others of c-master-2", "uncordon c-master-2"]
    assert not any("stop c-master-2" in step or "c-worker-1" in step for step in world.done)


def test_what_can_t_be_upgraded_is_refused(cluster: Cluster, world: World, plan: Any) -> None:
    upgrade.refuse(cluster)
    world.off.add("c-worker-1")
    with pytest.raises(InputError, match="c-worker-1 does not run"):
        upgrade.refuse(cluster)
    with pytest.raises(InputError, match="run from memory"):
        upgrade.refuse(cluster.model_copy(update={"hardware": Hardware()}))
    cluster.kubeconfig.unlink()
    with pytest.raises(InputError, match="kubeadm init has not been run"):
        upgrade.refuse(cluster)
    plan.network = cluster.network.model_copy(update={"pods": "10.0.0.0/8"})
    with pytest.raises(InputError, match="networks are others"):
        upgrade.refuse_plan(cluster, plan)
    other = SimpleNamespace(recipe=SimpleNamespace(runtime="docker"))
    with pytest.raises(InputError, match="the recipe has the runtime docker, and the cluster r"):
        upgrade.fits(cluster, {}, other)  # type: ignore[arg-type]
    made = SimpleNamespace(recipe=SimpleNamespace(runtime="r"), own={}, pins="1.38.0")
    with pytest.raises(InputError, match="and the recipe v"):
        upgrade.fits(cluster, {"c-master-1": "1.36.3"}, made)  # type: ignore[arg-type]
