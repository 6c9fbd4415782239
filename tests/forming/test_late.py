"""kubeadm's own time limits on a slow machine: what only was late is asked again, what is wrong is not."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.cluster.model import Node
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.forming.onnode import REPEATS, EtcdLate, kubeadm
from builder.forming.verdict import late

CRI = "[preflight] Some fatal errors occurred:\n\t[ERROR CRI]: could not connect to the runtime: code = DeadlineExceeded\n"
SLOW = (
    "error: error execution phase preflight: unable to fetch the kubeadm-config ConfigMap: failed to get component configs: "
    'could not download the kubelet configuration from ConfigMap "kubelet-config": Get "https://10.64.0.11:6443/api/v1": '
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)\n"
)
WRONG = "error: error execution phase preflight: unable to fetch the kubeadm-config ConfigMap: configmaps is forbidden\n"


@pytest.mark.parametrize(
    ("output", "who"),
    [
        (CRI, "the container runtime"),
        (SLOW, "the API server"),
        (WRONG, ""),
        (CRI + "\t[ERROR Swap]: running with swap on is not supported\n", ""),
        (SLOW + "\t[ERROR Swap]: running with swap on is not supported\n", ""),
        ("error: error execution phase kubelet-start: context deadline exceeded\n", ""),
        ("", ""),
    ],
)
def test_who_was_late(output: str, who: str) -> None:
    assert late(output) == who


@dataclass
class Ended:
    code: int
    output: str


@dataclass
class Console:
    """Answers each kubeadm with the next of these."""

    answers: list[Ended]
    asked: list[str] = field(default_factory=list)

    def run(self, command: str, *_: object) -> Ended:
        self.asked.append(command)
        return self.answers[len(self.asked) - 1]


def a_node(tmp_path: Path) -> Node:
    return Node.model_construct(name="one", directory=tmp_path)  # type: ignore[call-arg]


def test_a_join_that_etcd_broke_off_is_one_that_can_be_taken_back(tmp_path: Path) -> None:
    console = Console([Ended(1, "error: error execution phase etcd-join: context deadline exceeded\n")])
    with pytest.raises(EtcdLate, match="etcd was late to answer kubeadm join on one"):
        kubeadm(a_node(tmp_path), console, "join", Deadline.after(9))  # type: ignore[arg-type]
    assert len(console.asked) == 1 and (tmp_path / "kubeadm-join.log").exists()


def test_a_join_that_met_a_slow_api_server_is_repeated(tmp_path: Path) -> None:
    console = Console([Ended(1, SLOW), Ended(1, CRI), Ended(0, "This node has joined the cluster")])
    said = kubeadm(a_node(tmp_path), console, "join", Deadline.after(9))  # type: ignore[arg-type]
    assert said == (tmp_path / "kubeadm-join.log").read_text() == "This node has joined the cluster"


@pytest.mark.parametrize(("answers", "runs"), [([Ended(1, WRONG)], 1), ([Ended(1, SLOW)] * 9, 1 + REPEATS)])
def test_what_is_wrong_is_told_at_once_and_what_stays_late_in_the_end(
    tmp_path: Path, answers: list[Ended], runs: int
) -> None:  # fmt: skip
    console = Console(answers)
    with pytest.raises(CheckError, match="kubeadm join on one ended with exit code 1"):
        kubeadm(a_node(tmp_path), console, "join", Deadline.after(9))  # type: ignore[arg-type]
    assert len(console.asked) == runs
    assert (tmp_path / "kubeadm-join.log").read_text() == answers[0].output
