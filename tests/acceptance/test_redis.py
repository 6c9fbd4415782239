"""The suite redis: what it asks of a node and of a cluster, and that it sees each harm."""

import json
from typing import Any

import pytest
from cluster_samples import a_cluster
from healthy_world import World, a_pod

from builder.acceptance.redis import IMAGE, Redis
from builder.acceptance.suites import known
from builder.checks import NotYet
from builder.console.model import Result
from builder.deadline import Deadline
from builder.errors import CheckError

START = "2027-01-01T00:00:00Z stdout F 1:M 01 Jan 2027 00:00:00.000 * Ready to accept connections tcp\n"
ADDRESS = "10.244.0.5"


class Node:
    """A node whose runtime makes what it is told to; redis answers by what is set here."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.asked: list[str] = []
        self.pods = {"other"}
        self.daemon, self.process, self.comes_back = 7, 4711, True
        self.pong, self.log, self.monitored, self.removes = "+PONG\r", START, True, True

    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None:  # noqa: ARG002 - as Shell has it
        self.files[path] = json.loads(data)

    def read_file(self, path: str, deadline: Deadline) -> bytes:
        raise AssertionError(f"{path} {deadline} is not foreseen")

    def run(self, command: str, deadline: Deadline, on_output: object = None) -> Result:  # noqa: ARG002 - as Shell has it
        self.asked.append(command)
        if command == "pidof crio":
            return Result(0 if self.daemon else 1, f"{self.daemon}\n")
        if command == f"kill -9 {self.daemon}":
            self.daemon += self.comes_back
            return Result(0, "")
        _, crictl, words = command.partition("kubelet crictl --timeout ")
        return self._crictl(words.split()[1:]) if crictl else Result(0, redis(self, command))

    def _crictl(self, words: list[str]) -> Result:
        match words:
            case ["runp", file]:
                self.pods.add("pod-1")
                return Result(0, "pod-1") if file in self.files else Result(1, f"{file} is missing")
            case ["create", "--no-pull", "pod-1", *_]:
                return Result(0, "a note\ncontainer-1\n")
            case ["start", "container-1"]:
                return Result(0, "container-1")
            case ["inspectp", *_, "pod-1"]:
                return Result(0, ADDRESS)
            case ["inspect", *_, "container-1"]:
                return Result(0, f"CONTAINER_RUNNING, process {self.process}")
            case ["exec", "container-1", *_]:
                return Result(0, "Redis server v=8.0.2")
            case ["logs", "container-1"]:
                return Result(0, self.log)
            case ["rmp", "--force", "pod-1"]:
                self.pods -= {"pod-1"} if self.removes else set()
                return Result(0, "Removed sandbox pod-1")
            case ["pods", *_]:
                return Result(0, "\n".join(sorted(self.pods)))
        raise AssertionError(f"{words} is not foreseen")


def redis(node: Node, command: str) -> str:
    """What comes back over the connection."""
    if "MONITOR" not in command:
        return node.pong
    words = command.partition("printf 'SET ")[2].partition("\\r")[0].split()
    told = " ".join(f'"{word}"' for word in ["SET", *words])
    return f"+OK\r\n+OK\r\n+1.0 [0 10.244.0.1:5] {told}\r" if node.monitored else "+OK\r\n+OK\r"


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def suite(node: Node) -> Redis:
    return Redis(a_cluster(), World(a_cluster()), lambda: node, lambda: 1.0)  # type: ignore[arg-type]


def outcome(suite: Redis, number: int) -> str:
    checks = suite.by_hand()
    for check in checks[:number]:
        check.look()
    return checks[number].look()


def test_all_well_on_the_node(suite: Redis, node: Node) -> None:
    first, *_ = [check.look() for check in suite.by_hand()]
    assert first == f"container container-1 at {ADDRESS}"
    pod, container = (node.files[f"/run/kubeiso-redis/{name}.json"] for name in ("pod", "container"))
    assert container["image"]["image"] == IMAGE and pod["linux"]["security_context"]["namespace_options"] == {}
    assert sum(f"nc {ADDRESS} 6379" in command for command in node.asked) == 2
    assert node.pods == {"other"}


def test_without_a_pod_network_before_the_cluster_it_has_the_node_s(node: Node) -> None:
    cluster = a_cluster(host_ranges=False)
    found = Redis(cluster, World(cluster), lambda: node, lambda: 1.0)  # type: ignore[arg-type]
    assert outcome(found, 0).endswith("at 127.0.0.1")
    assert node.files["/run/kubeiso-redis/pod.json"]["linux"]["security_context"]["namespace_options"] == {"network": 2}


@pytest.mark.parametrize(
    ("number", "harm", "said"),
    [
        (1, {"pong": ""}, "the answer to PING is ''"),
        (1, {"pong": "-ERR"}, "the answer to PING is '-ERR'"),
        (2, {"monitored": False}, "MONITOR told"),
        (3, {"log": "1:C * oO0OoO0OoO0Oo Redis is starting\n"}, "no 'Ready to accept connections'"),
        (4, {"removes": False}, "crictl lists the pod still"),
    ],
)
def test_each_harm_is_seen(suite: Redis, node: Node, number: int, harm: dict[str, object], said: str) -> None:
    vars(node).update(harm)
    with pytest.raises(NotYet, match=said):
        outcome(suite, number)


@pytest.fixture
def killing(node: Node) -> Redis:
    cluster = a_cluster()
    cluster = cluster.model_copy(update={"runtime": cluster.runtime.model_copy(update={"outlived": ("crio",)})})
    return Redis(cluster, World(cluster), lambda: node, lambda: 1.0)  # type: ignore[arg-type]


def test_a_container_outlives_its_runtime_s_daemon(killing: Redis) -> None:
    assert [check.id for check in killing.by_hand()][4:6] == ["R4k", "R4o"]
    assert outcome(killing, 5).startswith("crio is process 8, CONTAINER_RUNNING, process 4711")


def test_a_daemon_that_did_not_end_and_a_container_that_did_are_seen(killing: Redis, node: Node) -> None:
    node.comes_back = False
    with pytest.raises(NotYet, match="crio has not ended"):
        outcome(killing, 5)
    node.comes_back = True
    checks = killing.by_hand()
    for check in checks[:5]:
        check.look()
    node.process = 4712
    with pytest.raises(CheckError, match="process 4711 and is CONTAINER_RUNNING, process 4712"):
        checks[5].look()


def test_a_command_that_fails_is_told(suite: Redis, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "run", lambda *_: Result(1, "no such image\n"))
    with pytest.raises(NotYet, match="exit code 1: no such image"):
        outcome(suite, 0)


def a_world(node: Node) -> World:
    world = World(a_cluster())
    for name in ("redis", "client"):
        world.objects["pod", "redis", name] = a_pod(name, "c-master-1", "redis", address=ADDRESS)
    world.exec = lambda command: (0, redis(node, command[-1]))
    world.logs["redis"] = START
    return world


def test_all_well_in_the_cluster(node: Node) -> None:
    world = a_world(node)
    suite = Redis(a_cluster(), world, lambda: node, lambda: 1.0)  # type: ignore[arg-type]
    first, *_ = [check.look() for check in suite.by_kubernetes()]
    assert first == f"Ready at {ADDRESS}"
    node.pong = ""
    with pytest.raises(NotYet, match="PING"):
        suite.by_kubernetes()[1].look()
    world.logs.clear()
    with pytest.raises(NotYet, match="Ready to accept"):
        suite.by_kubernetes()[3].look()


def test_a_pod_that_is_not_ready_and_a_monitor_that_is_silent_are_seen(node: Node) -> None:
    for name in ("redis", "client"):
        world = a_world(node)
        world.objects["pod", "redis", name]["status"]["conditions"][0]["status"] = "False"
        suite = Redis(a_cluster(), world, lambda: node, lambda: 1.0)  # type: ignore[arg-type]
        with pytest.raises(NotYet, match=name):
            suite.by_kubernetes()[0].look()
    node.monitored = False
    suite = Redis(a_cluster(), a_world(node), lambda: node, lambda: 1.0)  # type: ignore[arg-type]
    suite.by_kubernetes()[0].look()
    with pytest.raises(NotYet, match="MONITOR told"):
        suite.by_kubernetes()[2].look()


def test_only_its_own_media_have_the_image() -> None:
    assert [name for name, suite in known().items() if "redis" in suite.extra.images] == ["redis"]
