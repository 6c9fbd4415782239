"""A further master's join on a slow machine: etcd is waited for, and a join that it broke off is taken back and begins anew."""

from dataclasses import dataclass, field

import pytest
from cluster_samples import a_cluster

from builder.checks import NotYet
from builder.cluster.kubectl import Kubectl
from builder.console.model import Result
from builder.errors import CheckError
from builder.forming import join, members
from builder.forming.join import ATTEMPTS, join_master
from builder.forming.onnode import Access, EtcdLate, undo
from builder.forming.readiness import Readiness
from builder.forming.verdict import torn

LATE = "error: error execution phase etcd-join: error creating local etcd static pod manifest file: context deadline exceeded\n"
LISTED = (
    "aa, started, n1, https://10.64.0.11:2380, https://10.64.0.11:2379, false\nbb, unstarted, , https://10.64.0.12:2380, , true"
)


@dataclass
class Etcd:
    """Answers what etcdctl is asked; slow: so many questions come to nothing first."""

    slow: int = 0
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, _: Readiness, *words: str) -> str:
        self.asked.append(words)
        if self.slow:
            self.slow -= 1
            raise NotYet("context deadline exceeded")
        return LISTED if words[-1] == "list" else "healthy"


@pytest.fixture
def etcd(monkeypatch: pytest.MonkeyPatch) -> Etcd:
    made = Etcd()
    monkeypatch.setattr(Readiness, "etcdctl", lambda *words: made(*words))
    monkeypatch.setattr("builder.deadline.time.sleep", lambda _: None)
    return made


@pytest.mark.parametrize(
    ("output", "whether"),
    [
        (LATE, True),
        (LATE.replace("etcd-join", "control-plane-join/etcd"), True),
        (LATE.replace("etcd-join", "kubelet-start"), False),
        (LATE.replace("context deadline exceeded", "no space left on device"), False),
        ("", False),
    ],
)
def test_a_join_that_etcd_broke_off(output: str, whether: bool) -> None:
    assert torn(output) is whether


class Clock:
    """Each answer of the API server takes as long as the next of these says; None: there is none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: float | None) -> None:
        self.now, self.left = 1000.0, list(answers)
        monkeypatch.setattr("builder.forming.members.time.monotonic", lambda: self.now)
        monkeypatch.setattr("builder.deadline.time.sleep", self.pass_by)
        monkeypatch.setattr(Kubectl, "text", lambda _, *words: self.answer(words))

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def answer(self, words: tuple[str, ...]) -> str:
        assert words == ("get", "--raw", "/readyz/etcd")
        taken = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        self.now += taken or 0
        if taken is None:
            raise NotYet("no answer")
        return "ok"


def test_etcd_has_to_answer_in_kubeadm_s_time_twice_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, None, 5.0, 0.5, 2.5, 1.9, 0.4, 99.0)
    members.Members(a_cluster(2, 0), 1.0).await_quick()
    assert clock.left == [99.0]


@pytest.mark.parametrize("stays", [None, 7.0])
def test_one_that_stays_slow_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, stays: float | None) -> None:
    clock = Clock(monkeypatch, stays)
    members.Members(a_cluster(2, 0), 30.0).await_quick()
    assert members.PATIENCE <= clock.now - 1000 <= members.PATIENCE + 20


def test_that_node_and_its_member_alone_are_taken_out(etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(Kubectl, "text", lambda _, *words: asked.append(words))
    cluster = a_cluster(2, 0)
    members.Members(cluster, 1.0).forget(cluster.masters[1].model_copy(update={"address": "10.64.0.12"}))
    assert [words for words in etcd.asked if "remove" in words] == [("member", "remove", "bb")]
    assert [words[:3] for words in asked] == [("delete", "node", cluster.masters[1].name)]


def test_an_etcd_that_can_not_be_asked_is_told(etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kubectl, "text", lambda *_: "")
    etcd.slow = 10**9
    cluster = a_cluster(2, 0)
    with pytest.raises(CheckError, match=f"the cluster without {cluster.masters[1].name}"):
        members.Members(cluster, 0.001).forget(cluster.masters[1])


@dataclass
class Service:
    """A node whose kubelet service resets it: after so many questions. broken: how a command begins that fails."""

    questions: int = 2
    broken: str = "nothing"
    asked: list[str] = field(default_factory=list)

    def run(self, command: str, *_: object) -> Result:
        words = command.split(" kubelet ", 1)[-1]
        self.asked.append(words)
        done = words != "test ! -e /etc/kubernetes/to-reset" or self.asked.count(words) > self.questions
        return Result(code=0 if done and not words.startswith(self.broken) else 1, output="no such task")


def undone(service: Service) -> None:
    undo(a_cluster(2, 0).masters[1], service, 1.0)  # type: ignore[arg-type]


def test_the_kubelets_service_takes_a_join_back_and_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.deadline.time.sleep", lambda _: None)
    service = Service()
    undone(service)
    assert service.asked == ["kubeadm-reset.sh later", "service restart kubelet", *["test ! -e /etc/kubernetes/to-reset"] * 3]


@pytest.mark.parametrize(("broken", "told"), [("kubeadm-reset.sh", "to be reset"), ("service restart", "the kubelet's restart")])
def test_a_node_that_can_not_take_it_back_is_told(broken: str, told: str) -> None:
    with pytest.raises(CheckError, match=told):
        undone(Service(broken=broken))


@pytest.mark.parametrize("late", [0, 1, ATTEMPTS - 1, ATTEMPTS])
@pytest.mark.usefixtures("etcd")
def test_a_join_begins_anew_where_etcd_was_late(monkeypatch: pytest.MonkeyPatch, late: int) -> None:
    done: list[str] = []
    monkeypatch.setattr(join, "configure", lambda *_: done.append("configured"))
    monkeypatch.setattr(join, "undo", lambda *_: done.append("undone"))
    monkeypatch.setattr(join, "kubeadm", lambda *_: answers(done, late))
    monkeypatch.setattr(members.Members, "await_quick", lambda _: None)
    monkeypatch.setattr(Kubectl, "text", lambda *_: "")
    cluster = a_cluster(2, 0)

    def joins() -> str:
        return join_master(cluster, cluster.masters[1], Access(None, None), 1.0, None, "key")  # type: ignore[arg-type]

    if late == ATTEMPTS:
        with pytest.raises(EtcdLate):
            joins()
        assert done.count("undone") == ATTEMPTS - 1
        return
    assert joins() == "joined" and done.count("undone") == late and done.count("tried") == late + 1


def answers(done: list[str], late: int) -> str:
    done.append("tried")
    if done.count("tried") <= late:
        raise EtcdLate("etcd was late")
    return "joined"
