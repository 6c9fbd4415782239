"""Each check against what it is there to see: with all well in the world it passes, with that one thing wrong it does not."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from healthy_world import World, applied
from looks import a_world, across, listening, looks, readiness, smoke

from builder.acceptance import smoke as smoke_module
from builder.acceptance import web
from builder.acceptance.failover import Failover
from builder.acceptance.outage import Outage
from builder.acceptance.smoke import Smoke
from builder.checks import Check, NotYet
from builder.errors import CheckError
from builder.forming.objects import rolled_out

Damage = Callable[[World], Any]
SMOKE_YML = Path(smoke_module.__file__).with_name("smoke.yml")


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every node shows the page at its open port, and refuses at the closed one."""
    monkeypatch.setattr(smoke_module, "fetch", lambda *_: "Welcome to nginx!")
    monkeypatch.setattr(smoke_module, "refused", lambda *_: "the node refuses it")


def changed(kind: str, space: str, name: str, **status: object) -> Damage:
    return lambda world: world.objects[kind, space, name]["status"].update(status)


def not_ready(kind: str, space: str, name: str) -> Damage:
    return lambda world: world.objects[kind, space, name]["status"]["conditions"][0].update(status="False")


def going(kind: str, space: str, name: str) -> Damage:
    return lambda world: world.objects[kind, space, name]["metadata"].update(deletionTimestamp="now")


def node_condition(kind: str, status: str) -> Damage:
    return lambda world: world.nodes[-1]["status"]["conditions"].append({"type": kind, "status": status, "message": "too full"})


def cluster_ip(space: str, name: str, address: str) -> Damage:
    return lambda world: world.objects["service", space, name]["spec"].update(clusterIP=address)


def told_otherwise(words: str, others: str) -> Damage:
    """kubectl apply tells something else of one object."""
    return lambda world: setattr(world, "applied", applied(SMOKE_YML.read_text()).replace(words, others))


READINESS: list[tuple[str, Damage, str]] = [
    ("A6b", lambda w: setattr(w, "readyz", "[-]etcd failed"), "readyz says"),
    ("A6b", lambda w: setattr(w, "unreachable", "connection refused"), "connection refused"),
    ("T1", cluster_ip("default", "kubernetes", "None"), "cluster IP is None"),
    ("T1", cluster_ip("default", "kubernetes", ""), "cluster IP is none"),
    ("T2", lambda w: w.objects.pop(("service", "kube-system", "kube-dns")), "not found"),
    ("A8", lambda w: w.nodes.pop(), "registered are"),
    ("A8", lambda w: w.nodes.clear(), "registered are none"),
    ("A8", lambda w: w.nodes.append({"metadata": {"name": "stranger"}}), "registered are"),
    ("A8", lambda w: w.nodes[-1]["status"]["conditions"].clear(), "no Ready condition yet"),
    ("A8", lambda w: w.nodes[-1]["status"]["conditions"][0].update(status="Unknown"), "as told"),
    ("A8", node_condition("DiskPressure", "True"), "DiskPressure: too full"),
    ("A9", lambda w: w.nodes.clear(), "registered are none"),
    ("A9", lambda w: w.nodes[-1]["spec"].update(unschedulable=True), "has taints"),
    ("A9", lambda w: w.nodes[0]["spec"].update(taints=[]), "has taints none"),
    ("A9", lambda w: w.nodes[-1]["spec"].update(taints=[{"key": "x", "effect": "NoExecute"}]), "has taints"),
    ("A11", lambda w: w.members.clear(), "members are"),
    ("A11", lambda w: w.members.append("id9, started, stranger, a, b, false"), "members are"),
    ("A11", lambda w: w.members.__setitem__(0, w.members[0].replace("started", "unstarted")), "not started"),
    ("A11", lambda w: w.members.__setitem__(0, w.members[0].replace("false", "true")), "learners"),
    ("A11", lambda w: w.health.clear(), "0 of 1 members healthy"),
    ("A11", lambda w: w.health.__setitem__(0, "https://x is unhealthy: failed to commit"), "0 of 1 members healthy"),
    ("A10a", lambda w: w.objects.pop(("pod", "kube-system", "etcd-c-master-1")), "is not there"),
    ("A10a", not_ready("pod", "kube-system", "kube-scheduler-c-master-1"), "kube-scheduler"),
    ("A10a", going("pod", "kube-system", "etcd-c-master-1"), "being deleted"),
    ("A10b", changed("daemonset", "kube-system", "kube-proxy", numberReady=1), "1 of 2 ready"),
    ("A10b", changed("daemonset", "kube-system", "kube-proxy", desiredNumberScheduled=0), "0 desired"),
    ("A10b", changed("daemonset", "kube-system", "kube-proxy", updatedNumberScheduled=1), "of 2 ready"),
    ("A10b", changed("daemonset", "kube-system", "kube-proxy", observedGeneration=0), "has not seen its last change"),
    ("A10n", changed("daemonset", "kube-system", "kube-proxy", desiredNumberScheduled=0, numberReady=0), "0 desired"),
    ("A10c", lambda w: w.objects["deployment", "kube-system", "coredns"]["spec"].update(replicas=0), "0 desired"),
    ("A10c", changed("deployment", "kube-system", "coredns", readyReplicas=1, availableReplicas=1), "1 of 2 ready"),
    ("A10c", changed("deployment", "kube-system", "coredns", replicas=3), "of 2 ready"),
    ("A10c", changed("deployment", "kube-system", "coredns", observedGeneration=0), "has not seen its last change"),
]

NO_ANSWER = ";; connection timed out; no servers could be reached\n\ncommand terminated with exit code 1\n"
WRONG = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tkubernetes.default.svc.cluster.local\nAddress: 203.0.113.5\n"
SMOKE: list[tuple[str, Damage, str]] = [
    ("S1", lambda w: setattr(w, "applied", ""), "does not tell of namespace/smoke, .*: nothing"),
    ("S1", told_otherwise("namespace/smoke created\n", ""), "tell of namespace/smoke:"),
    ("S1", told_otherwise("service/nginx created", "service/nginx created (server dry run)"), "service/nginx:"),
    ("S1", told_otherwise("deployment.apps/nginx", "deployment.apps/other"), "deployment/nginx:"),
    ("S1", lambda w: setattr(w, "unreachable", "connection refused"), "connection refused"),
    ("S2", changed("deployment", "smoke", "nginx", availableReplicas=0), "of 1 ready"),
    ("S2", lambda w: w.objects["deployment", "smoke", "nginx"]["spec"].update(replicas=2), "2 desired, wanted 1"),
    ("S2", changed("deployment", "smoke", "nginx", observedGeneration=0), "has not seen its last change"),
    ("S3", not_ready("pod", "smoke", "client"), "client"),
    ("S3", going("pod", "smoke", "client"), "being deleted"),
    (
        "A14a",
        lambda w: w.lookups.update({"kubernetes.default.svc.cluster.local": (0, WRONG)}),
        r"\['203.0.113.5'\], its Service has",
    ),
    ("A14a", lambda w: w.lookups.update({"kubernetes.default.svc.cluster.local": (1, NO_ANSWER)}), "exit code 1"),
    ("A14a", lambda w: w.lookups.update({"kubernetes.default.svc.cluster.local": (0, "Server: 10.96.0.10\n")}), "nowhere"),
    ("A14b", lambda w: setattr(w, "page", "<h1>It works!</h1>"), "another page"),
    ("A14c", lambda w: setattr(w, "unreachable", "connection refused"), "connection refused"),
    ("A14c", lambda w: w.lookups.update({"nobody.smoke.svc.cluster.local": (1, NO_ANSWER)}), "exit code 1"),
    ("A14c", lambda w: w.lookups.update({"kubernetes.default.svc.cluster.local": (1, NO_ANSWER)}), "exit code 1"),
    ("A14c", lambda w: w.lookups.update({"nobody.smoke.svc.cluster.local": (0, WRONG)}), "resolved"),
    ("A20", lambda w: w.logs.clear(), "no request of c-master-1, c-worker-1, client"),
    ("A20", lambda w: w.logs.update({"deployment/nginx": '10.0.0.1 "GET / HTTP/1.1" 200\n'}), "no request of"),
]

ACROSS: list[tuple[str, Damage, str]] = [
    ("A13", lambda w: setattr(w, "applied", "namespace/across created\n"), "does not tell of daemonset/web, daemonset/client"),
    ("A13", lambda w: setattr(w, "unreachable", "connection refused"), "connection refused"),
    ("A13a", lambda w: w.objects.pop(("pod", "across", "web-c-worker-1")), "no pod web on c-worker-1"),
    ("A13a", going("pod", "across", "web-c-worker-1"), "no pod web on c-worker-1"),
    ("A13a", not_ready("pod", "across", "client-c-master-1"), "client-c-master-1"),
    ("A13a", changed("pod", "across", "web-c-worker-1", podIP="192.0.2.1"), "not in c-worker-1's range"),
    ("A13a", changed("pod", "across", "client-c-master-1", podIP="10.244.0.10"), "same address"),
    ("A13b", lambda w: setattr(w, "page", "<h1>It works!</h1>"), "another page"),
    ("A13b", lambda w: setattr(w, "exec", lambda _: (1, "100% packet loss")), "100% packet loss"),
    ("A13c", lambda w: w.logs.update({"web-c-worker-1": '10.64.0.11 "GET / HTTP/1.1" 200\n'}), "saw no request of c-master-1"),
    ("A13c", lambda w: w.logs.update({"web-c-master-1": ""}), "saw no request of c-worker-1"),
    ("A14d", lambda w: setattr(w, "page", ""), "another page"),
    ("A14d", lambda w: setattr(w, "exec", lambda _: (6, "Could not resolve host: nginx.smoke")), "Could not resolve"),
    ("A20a", lambda w: setattr(w, "exec", lambda _: (0, "kept")), "exit code 0"),
    ("A20a", lambda w: setattr(w, "exec", lambda _: (42, "")), "exit code 42, output ''"),
]


def test_an_object_that_was_there_before_counts() -> None:
    world = a_world()
    world.applied = applied(SMOKE_YML.read_text()).replace("namespace/smoke created", "namespace/smoke unchanged")
    (look,) = looks(smoke(world), "S1")
    assert look() == "4 objects, the last pod/client"


def seen(checks: Callable[[World], list[Check]], name: str, damage: Damage, reason: str) -> None:
    """With all well the check passes; with the damage one of its looks does not, for that reason."""
    for look in looks(checks(a_world()), name):
        look()
    world = a_world()
    damage(world)
    with pytest.raises((NotYet, CheckError), match=reason):
        for look in looks(checks(world), name):
            look()


@pytest.mark.parametrize(("name", "damage", "reason"), READINESS)
def test_a_cluster_s_own_parts(name: str, damage: Damage, reason: str) -> None:
    seen(readiness, name, damage, reason)


@pytest.mark.parametrize(("name", "damage", "reason"), ACROSS)
def test_what_works_between_nodes(name: str, damage: Damage, reason: str) -> None:
    seen(across, name, damage, reason)


@pytest.mark.parametrize(("name", "damage", "reason"), [case for case in SMOKE if case[0] != "A20"])
def test_what_one_node_owes(name: str, damage: Damage, reason: str) -> None:
    seen(smoke, name, damage, reason)


@pytest.mark.parametrize(("damage", "reason"), [case[1:] for case in SMOKE if case[0] == "A20"])
def test_requests_of_this_run_are_in_nginx_s_log(monkeypatch: pytest.MonkeyPatch, damage: Damage, reason: str) -> None:
    world = a_world()
    log = world.logs

    def fetch(_port: int, path: str, _seconds: float) -> str:
        log["deployment/nginx"] = log.get("deployment/nginx", "") + f'10.0.0.1 - "GET {path} HTTP/1.1" 200\n'
        return world.page

    monkeypatch.setattr(smoke_module, "fetch", fetch)
    checks = smoke(world)
    for name in ("A12", "A14b", "A20"):
        for look in looks(checks, name):
            look()
    damage(world)
    (look,) = looks(checks, "A20")
    with pytest.raises(NotYet, match=reason):
        look()


def test_every_check_of_these_suites_is_tried() -> None:
    tried = {case[0] for case in (*READINESS, *SMOKE, *ACROSS)}
    elsewhere = {"A12", "A12n", "A20b", "A20c"}  # below
    made = {check.id for checks in (readiness, smoke, across) for check in checks(a_world())}
    assert made - tried - elsewhere == set()


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_an_empty_status_is_not_rolled_out(kind: str) -> None:
    with pytest.raises(NotYet):
        rolled_out({"kind": kind, "metadata": {"name": "x"}, "spec": {}})


# What listens at a port of this machine


def answering(text: bytes) -> Callable[[socket.socket], None]:
    def answer(visitor: socket.socket) -> None:
        visitor.recv(4096)
        visitor.sendall(text)

    return answer


def resetting(visitor: socket.socket) -> None:
    """As QEMU does when the node refused: SO_LINGER with no time makes a reset of the close."""
    visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_a_port_that_the_node_refuses() -> None:
    with listening(resetting) as port:
        assert web.refused(port) == "the node refuses it"
    with listening(answering(b"")) as port:
        assert web.refused(port) == "the node refuses it"


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"503 Busy"])
def test_any_answer_at_a_closed_port_is_wrong(status: bytes) -> None:
    with listening(answering(b"HTTP/1.0 " + status + b"\r\n\r\n")) as port, pytest.raises(CheckError, match="answered although"):
        web.refused(port)


def test_a_missing_forward_and_a_dead_node_refuse_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(NotYet, match="said neither yes nor no"):
            web.refused(port, 0.2)
    with pytest.raises(NotYet, match="the way to the node is not there"):
        web.refused(port, 0.2)


def test_the_closed_port_is_looked_at_on_each_node_beside_its_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    world, asked = a_world(), []
    monkeypatch.setattr(smoke_module, "refused", lambda port, _: asked.append(port))
    (look,) = looks(smoke(world), "A12n")
    assert look() == "2 nodes refuse it"
    assert asked == [node.ports.closed for node in world.cluster.nodes]

    def dead(*_: object) -> str:
        raise NotYet("no answer: timed out")

    monkeypatch.setattr(smoke_module, "fetch", dead)
    with pytest.raises(NotYet, match="timed out"):
        look()


@pytest.mark.parametrize(("status", "reason"), [(b"404 Not Found", "HTTP Error 404"), (b"200 OK", "another page")])
def test_a_page_that_is_not_nginx_s(monkeypatch: pytest.MonkeyPatch, status: bytes, reason: str) -> None:
    monkeypatch.setattr(smoke_module, "fetch", web.fetch)
    with listening(answering(b"HTTP/1.0 " + status + b"\r\nContent-Length: 2\r\n\r\nhi")) as port:
        world = a_world()
        node = world.cluster.nodes[0]
        node = node.model_copy(update={"ports": node.ports.model_copy(update={"http": port})})
        with pytest.raises(NotYet, match=reason):
            Smoke(world.cluster, world).page_of(node)()  # type: ignore[arg-type]


# Outages


def an_outage(world: World) -> Outage:
    return Outage(world.cluster, {node.name: object() for node in world.cluster.nodes}, world)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [([], "no Ready condition at all"), ([{"type": "Ready", "status": "True", "message": "well"}], "still seen as Ready: well")],
)
def test_a_node_that_was_not_seen_as_lost(conditions: list[dict[str, str]], reason: str) -> None:
    world = a_world()
    world.nodes[-1]["status"]["conditions"] = conditions
    with pytest.raises(NotYet, match=reason):
        an_outage(world).gone(world.cluster.nodes[-1])


def test_pods_that_are_ready_with_what_they_had_before_did_not_come_back() -> None:
    """After a power cut etcd still says Ready of all: no controller ran that could say otherwise."""
    world = a_world()
    outage, worker = an_outage(world), world.cluster.nodes[-1]
    outage.remember()
    with pytest.raises(NotYet, match="told of before c-worker-1 was gone: client, "):
        outage.pods_back(worker)
    for item in world.objects.values():
        for status in item.get("status", {}).get("containerStatuses", ()):
            status["containerID"] = status["containerID"].replace("1-", "2-")
    assert outage.pods_back(worker) == "4 pods Ready"
    for name in [key for key, item in world.objects.items() if item.get("spec", {}).get("nodeName") == worker.name]:
        world.objects.pop(name)
    with pytest.raises(NotYet, match="no pod at all"):
        outage.pods_back(worker)


def a_failover(world: World) -> dict[str, Callable[[], str]]:
    return {check.id: check.look for check in Failover(world.cluster, {}, world).checks()}  # type: ignore[arg-type]


def test_an_etcd_that_takes_no_writes() -> None:
    world = a_world(3, 1)
    assert a_failover(world)["H3"]() == "a value was written and read back"
    assert world.values == {}, "nothing of it stays"
    world._etcdctl = lambda words: (0, "OK" if words[0] == "put" else "")  # type: ignore[method-assign]
    with pytest.raises(NotYet, match="'' came back, not what was written"):
        a_failover(world)["H3"]()


def test_a_pod_on_the_lost_master_is_no_new_pod() -> None:
    world = a_world(3, 1)
    lost, other = world.cluster.masters[0].name, world.cluster.workers[0].name
    failover = Failover(world.cluster, {}, world)  # type: ignore[arg-type]
    failover._pods = {"uid-nginx-a"}
    with pytest.raises(NotYet, match="no new pod yet"):
        failover.scale()
    new = world.objects["pod", "smoke", "nginx-a"] | {"metadata": {"name": "nginx-b", "uid": "b", "labels": {"app": "nginx"}}}
    world.put("pod", "smoke", {**new, "spec": {"nodeName": lost}})
    with pytest.raises(NotYet, match="nginx-b"):
        failover.scale()
    world.put("pod", "smoke", {**new, "spec": {"nodeName": other}})
    assert failover.scale() == f"nginx-b on {other}"


def test_this_file_tries_the_manifests_that_are_applied() -> None:
    folder = Path(smoke_module.__file__).parent
    elsewhere = {
        "class.yml",
        "sandbox.yml",
        "policies.yml",
        "appetite.yml",
        "redis.yml",
        "cis.yml",
        "critest.yml",
    }  # have their own tests
    assert {path.name for path in folder.glob("*.yml")} - elsewhere == {"smoke.yml", "across.yml"}
