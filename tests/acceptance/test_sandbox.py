"""RuntimeClasses and sandboxes: with all well each check passes, with one thing wrong the check that is there for it does not."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cluster_samples import a_cluster
from healthy_world import applied

from builder.acceptance.classes import Classes
from builder.acceptance.run import Asked
from builder.acceptance.sandbox import Sandbox
from builder.acceptance.suites import known
from builder.acceptance.suites.sandbox import one_of_each_handler
from builder.acceptance.traces import LOOKS
from builder.acceptance.web import PAGE
from builder.checks import Check, NotYet
from builder.cluster.model import Node, PodClass
from builder.errors import CheckError, InputError
from builder.run import Completed

BOX = PodClass(name="box", process="^box ", proof="test $ID")
NODE_KERNEL, BOX_KERNEL = "6.12.0\nboot-1\n", "4.19.0-box\n"
USUAL = {"mount": {"/", "/var"}, "network namespace": {"cni-1"}, "cgroup": {"/sys/fs/cgroup/kubepods"}}


class World:
    """A cluster of two nodes in which pods of the class `box` run in sandboxes of one process each."""

    def __init__(self) -> None:
        self.cluster = a_cluster(1, 1)
        self.pods: dict[tuple[str, str], dict[str, Any]] = {}
        self.phases = {"modest": "Succeeded", "greedy": "Failed"}
        self.boxes: Callable[[], dict[str, int]] = self._boxes
        self.kernels = {"node": NODE_KERNEL, "trusted": NODE_KERNEL, "untrusted": BOX_KERNEL}
        self.left: dict[str, set[str]] = {}
        self.page = {"trusted": PAGE, "untrusted": PAGE, "client": PAGE, "boxed": PAGE}
        self.exit = (42, "kept\n")
        self.volumes = "from a ConfigMap\nfrom a ConfigMap"
        self.log = '10.0.0.1 - - [x] "GET /?trusted HTTP/1.1" 200\n'
        self.stuck = False
        self.unseen = ""
        self.proven: set[str] = {"web-boxed", "client-boxed"}

    def _boxes(self) -> dict[str, int]:
        away = self.cluster.nodes[-1].name
        return {node.name: int(node.name == away and ("sandbox-box", "untrusted") in self.pods) for node in self.cluster.nodes}

    def add(self, space: str, name: str) -> None:
        names = ("web", "client")
        self.pods[space, name] = {
            "metadata": {"name": name},
            "spec": {"nodeName": self.cluster.nodes[-1].name, "runtimeClassName": "box"},
            "status": {
                "podIP": "10.244.1.7", "phase": self.phases.get(name, "Running"),
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": each, "containerID": f"x://{each}-{name}", "state": {}} for each in names],
            },
        }  # fmt: skip

    # What is used of kubectl

    def text(self, *words: str, input: str = "") -> str:
        match words:
            case ["apply", "-f", "-"]:
                for name in ("trusted", "untrusted", "modest", "greedy", "boxed"):
                    if f"kind: Pod\nmetadata:\n  name: {name}\n" in input:
                        self.add("class-box" if name == "boxed" else "sandbox-box", name)
                return applied(input)
            case ["delete", "namespace", space, *_]:
                self.pods = {key: pod for key, pod in self.pods.items() if key[0] != space or self.stuck}
                return "deleted"
            case ["logs", *_]:
                return self.log
        done = self.run(*words)
        return done.stdout

    def get(self, kind: str, name: str, _: str, space: str) -> dict[str, Any]:
        assert kind == "pod"
        if (space, name) not in self.pods:
            raise NotYet(f"{name} not found")
        return self.pods[space, name]

    def run(self, *words: str) -> Completed:
        code, told = self._answer(words)
        return Completed(words, code, told, "")

    def _answer(self, words: Sequence[str]) -> tuple[int, str]:
        if words[:2] == ("get", "namespace"):
            return 0, f"namespace/{words[2]}\n" if any(space == words[2] for space, _ in self.pods) else ""
        pod, command = words[3], words[-1]
        if command.startswith("uname"):
            return 0, self.kernels[pod]
        if "exit 42" in command:
            return self.exit
        if "curl" in command:
            return 0, self.page[command.partition("http://")[2].partition("/")[0]]
        return 0, self.page[pod] if "curl" in words else self.volumes

    # The nodes' shell

    def on(self, node: Node, command: str) -> str:
        if command.startswith("ID="):
            if command.partition(";")[0].removeprefix("ID=") not in self.proven:
                raise NotYet("exit code 1")
            return ""
        if command.startswith("uname"):
            return self.kernels["node"]
        if command.startswith("{ for each"):
            assert "'^box '" in command
            return f"{self.boxes()[node.name]}\n"
        kind = next(kind for kind, look in LOOKS.items() if look == command)
        return "\n".join(USUAL[kind] | self.left.get(kind, set()) | self._of_pods(node, kind))

    def _of_pods(self, node: Node, kind: str) -> set[str]:
        """What the plain pod has on the first node, and the others on the last."""
        away = node == self.cluster.nodes[-1]
        return {f"{kind} of {name}" for _, name in self.pods if kind != self.unseen and (name != "trusted") == away}

    @property
    def sandbox(self) -> dict[str, Check]:
        return by_id(Sandbox(self.cluster, self, BOX, self.on, 5.0).checks())  # type: ignore[arg-type]

    @property
    def classes(self) -> dict[str, Check]:
        facts = self.cluster.runtime.model_copy(update={"classes": (BOX,)})
        cluster = self.cluster.model_copy(update={"runtime": facts})
        return by_id(Classes(cluster, self, self.on, 5.0).checks())  # type: ignore[arg-type]


def by_id(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.id: check for check in checks}


def test_all_is_well() -> None:
    world = World()
    for checks in (world.classes, world.sandbox):
        told = {name: check.look() for name, check in checks.items()}
    assert told["X3"] == "4.19.0-box in it, 6.12.0 on the node"
    assert told["X9"].startswith("0 sandboxes; 4 mounts, 2 network namespaces")


def status(name: str, **values: object) -> Callable[[World], Any]:
    return lambda world: world.pods["sandbox-box", name]["status"].update(values)


def on(master: int, worker: int) -> Callable[[], dict[str, int]]:
    """So many sandboxes on each node."""
    return lambda: {"c-master-1": master, "c-worker-1": worker}


HARM: list[tuple[str, Callable[[World], Any], str]] = [
    (
        "X1",
        lambda w: setattr(w, "boxes", on(1, 0)),
        "sandboxes run: {'c-master-1': 1}, wanted 0",
    ),
    (
        "X2",
        lambda w: setattr(w, "boxes", on(0, 0)),
        "sandboxes run: none, wanted 1",
    ),
    ("X2", lambda w: setattr(w, "boxes", on(1, 0)), "wanted 1 on c-worker-1"),
    ("X2", lambda w: setattr(w, "boxes", on(0, 2)), "sandboxes run: {'c-worker-1': 2}"),
    ("X2", lambda w: setattr(w, "unseen", "mount"), "c-master-1 has a pod, and no mount more than before"),
    ("X2", lambda w: setattr(w, "unseen", "cgroup"), "c-master-1 has a pod, and no cgroup more than before"),
    ("X2", lambda w: setattr(w, "unseen", "network namespace"), "no network namespace more than before"),
    ("X3", lambda w: w.kernels.update(untrusted=NODE_KERNEL), "has the node's kernel"),
    ("X3", lambda w: w.kernels.update(untrusted=""), "has the node's kernel"),
    ("X3", lambda w: w.kernels.update(trusted=BOX_KERNEL), "the plain pod says"),
    ("X4", lambda w: w.page.update(untrusted="502"), "trusted got another page from untrusted"),
    ("X4", lambda w: w.page.update(trusted="502"), "untrusted got another page from trusted"),
    ("X5", lambda w: setattr(w, "exit", (0, "kept\n")), "exit code 0"),
    ("X5", lambda w: setattr(w, "exit", (42, "")), "exit code 42, output ''"),
    ("X5", lambda w: setattr(w, "log", ""), "not in the sandboxed web server's log"),
    ("X6", lambda w: setattr(w, "volumes", "from a ConfigMap\n"), "the volumes hold"),
    ("X7", lambda w: w.phases.update(modest="Failed"), "it took 8 MB and ended as"),
    ("X7", lambda w: w.phases.update(modest="Running"), "modest is Running"),
    ("X8", lambda w: w.phases.update(greedy="Succeeded"), "it took 400 MB of the 96 MiB"),
    ("X8", lambda w: status("trusted", conditions=[{"type": "Ready", "status": "False"}])(w), "trusted"),
    ("X9", lambda w: w.left.update({"mount": {"/var/left"}}), "2 are left, such as c-master-1: mount /var/left"),
    ("X9", lambda w: w.left.update({"network namespace": {"cni-2"}}), "network namespace cni-2"),
    ("X9", lambda w: w.left.update({"cgroup": {"/sys/fs/cgroup/kubepods/pod-x"}}), "cgroup /sys/fs/cgroup/kubepods/pod-x"),
    ("X9", lambda w: setattr(w, "boxes", on(0, 1)), "sandboxes run"),
    ("X9", lambda w: setattr(w, "stuck", True), "sandbox-box is being deleted"),
]


@pytest.mark.parametrize(("name", "harm", "reason"), HARM)
def test_a_sandbox_that_is_none(name: str, harm: Callable[[World], Any], reason: str) -> None:
    world = World()
    checks = world.sandbox
    for before in (before for before in checks if before < name):
        checks[before].look()
    harm(world)
    with pytest.raises((NotYet, CheckError), match=reason.replace("(", r"\(").replace("{", r"\{")):
        checks[name].look()


def test_a_kernel_that_tells_nothing_of_its_boot_is_told_by_its_release() -> None:
    world = World()
    world.kernels |= {"node": "6.12.0\n", "trusted": "6.12.0\n", "untrusted": "6.12.0\nother boot\n"}
    checks = world.sandbox
    assert checks["X3"].look() == "6.12.0 in it, 6.12.0 on the node"


def class_pod(**spec: object) -> Callable[[World], Any]:
    return lambda world: world.pods["class-box", "boxed"]["spec"].update(spec)


def test_a_class_whose_pod_is_not_accepted_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(world, "text", lambda *_, **__: "namespace/class-box created\n")
    with pytest.raises(NotYet, match="does not tell of pod/boxed"):
        world.classes["C1"].look()


CLASS_HARM: list[tuple[str, Callable[[World], Any], str]] = [
    ("C2", class_pod(runtimeClassName=None), "its RuntimeClass is None"),
    ("C2", lambda w: w.pods["class-box", "boxed"]["status"].update(conditions=[]), "boxed"),
    ("C3", lambda w: w.proven.discard("client-boxed"), "exit code 1"),
    ("C3", lambda w: w.pods["class-box", "boxed"]["status"]["containerStatuses"][0].update(containerID=""), "web has no id yet"),
    ("C4", lambda w: w.page.update(client="502"), "another page"),
    ("C4", lambda w: w.page.update(boxed="502"), "another page"),
    ("C5", lambda w: setattr(w, "exit", (1, "kept\n")), "exit code 1"),
    ("C6", lambda w: setattr(w, "stuck", True), "class-box is being deleted"),
]


@pytest.mark.parametrize(("name", "harm", "reason"), CLASS_HARM)
def test_a_class_that_does_not_work(name: str, harm: Callable[[World], Any], reason: str) -> None:
    world = World()
    checks = world.classes
    checks["C1"].look()
    harm(world)
    with pytest.raises(NotYet, match=reason):
        checks[name].look()


def test_a_handler_of_two_names_is_proven_once() -> None:
    classes = [
        PodClass(name="crun", handler="crun", proof=""),
        PodClass(name="vm", handler="vm", process="^vmm ", proof=""),
        PodClass(name="vm-qemu", handler="vm", process="^vmm ", proof=""),
        BOX,
    ]
    assert [each.name for each in one_of_each_handler(classes)] == ["vm", "box"]


def test_the_suite_wants_a_sandbox() -> None:
    plain = PodClass(name="crun", proof="true")
    with pytest.raises(InputError) as raised:
        known()["sandbox"].refuse(Asked(1, 1, 0, (plain,)))
    assert "the recipe's RuntimeClasses: crun" in str(raised.value.why)
    known()["sandbox"].refuse(Asked(1, 1, 0, (plain, BOX)))
