"""A node that makes or joins a cluster by itself, with the real scripts: what fails, and a power cut at each step of them."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kubelet_node import CONFIG, SECONDS, Node, eventually
from test_kubelet_scripts import AFTER, BEFORE

CONF, UNFINISHED = "etc/kubernetes/kubelet.conf", "etc/kubernetes/unfinished"
INIT = "kubeadm init --config /etc/kubeadm/kubeadm.yaml"
JOIN = "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.1:6443 --token x"
MANIFEST = "etc/kubeadm/kube-system.init/50-a.yaml"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node.at(tmp_path)


def settled(node: Node, verb: str) -> Callable[[], bool]:
    return lambda: f"kubeadm {verb} is done" in node.said()


def verbs(node: Node) -> list[str]:
    """What kubeadm was asked for, an init's two halves apart."""
    halves = {f"--skip-phases={AFTER}": " begin", f"--skip-phases={BEFORE}": " end"}
    return [
        call.split()[1] + next((half for words, half in halves.items() if words in call), "") for call in node.calls("kubeadm")
    ]


@pytest.mark.parametrize(
    ("verb", "words", "calls"),
    [
        ("init", "--v=1\n", [f"{INIT} --skip-phases={AFTER} --v=1", f"{INIT} --skip-phases={BEFORE} --v=1"]),
        ("init", "", [f"{INIT} --skip-phases={AFTER}", f"{INIT} --skip-phases={BEFORE}"]),
        ("join", "10.0.0.1:6443 --token x\n", [JOIN]),
    ],
)
def test_a_node_does_by_itself_what_its_metadata_asks_for_and_only_once(
    node: Node, verb: str, words: str, calls: list[str]
) -> None:
    node.put(f"run/config/kubeadm/{verb}", words)
    node.put(MANIFEST, "a")
    with node.service():
        eventually(settled(node, verb), "kubeadm ends well")
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    with node.service():
        eventually(lambda: len(node.calls("kubelet")) == 2, "the kubelet starts again")
    assert node.calls("kubeadm") == calls
    assert len(node.calls("kubectl apply")) == (verb == "init")
    assert not node.has(UNFINISHED)
    assert node.text("console").splitlines() == [f"report kubeadm {verb} start", f"report kubeadm {verb} ok"]
    assert "--token" not in node.text("var/log/kubeadm.log")


def test_a_node_that_somebody_made_a_member_is_left_alone(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put(CONF)
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    assert node.calls("kubeadm") == []


CHECK = "\t[ERROR Port-10250]: Port 10250 is in use\n"
CHECKS = f"{CHECK}[preflight] If you know what you are doing\nerror: error execution phase preflight: preflight checks failed\n"


@pytest.mark.parametrize(
    ("words", "told"), [("error: no such cluster\n", "error: no such cluster"), (CHECKS, CHECK.strip())], ids=["error", "check"]
)
def test_what_fails_is_told_and_tried_again_later_and_later(node: Node, words: str, told: str) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443")
    node.put("broken", words)
    with node.service():
        eventually(lambda: len(node.calls("kubeadm join")) >= 4, "a fourth attempt")
        assert re.search(rf"kubeadm join failed, .* s: {re.escape(told)}$", node.said(), re.MULTILINE)
        assert node.calls("kubelet") == []
        (node.root / "broken").unlink()
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        eventually(settled(node, "join"), "kubeadm ends well")
    failed = [line for line in node.text("console").splitlines() if " failed " in line]
    assert failed[:3] == [f"report kubeadm join failed {told} again_in={pause}" for pause in ("0.2", "0.4", "0.8")]


def test_after_a_failure_that_left_a_kubelet_running_the_service_begins_anew(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put("broken")
    node.put("left")
    with node.service(pause=3) as service:
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts with what the attempt left")
        service.wait(SECONDS)
    (node.root / "broken").unlink()
    with node.service():
        eventually(settled(node, "init"), "kubeadm ends well")
        eventually(lambda: len(node.calls("kubelet")) == 2, "the kubelet starts")
    assert verbs(node) == ["init begin", "reset", "init begin", "init end"]


def test_what_somebody_wants_taken_back_is_reset_before_the_next_kubelet(node: Node) -> None:
    """A further master's join that broke off: a kubelet that ran meanwhile would start static pods whose files are gone."""
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    (node.root / "var/lib/etcd/member").mkdir()
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet runs")
        assert node.run("kubeadm-reset.sh", "later").returncode == 0
        assert node.calls("kubeadm") == [] and node.has("etc/kubernetes/to-reset")
    for life in (1, 2):
        with node.service():
            eventually(lambda: node.said().count("waiting for kubeadm init or join") == life, "the service waits")  # noqa: B023
        assert not node.has("etc/kubernetes/to-reset")
    assert verbs(node) == ["reset"] and len(node.calls("kubelet")) == 1
    assert not any(map(node.has, ("var/lib/kubelet/config.yaml", "var/lib/kubelet/kubeadm-flags.env", "var/lib/etcd/member")))


def test_a_manifest_that_is_refused_costs_no_cluster(node: Node) -> None:
    """It is tried again, in this life of the service and in the next ones, until the API server takes it."""
    node.put("run/config/kubeadm/init")
    node.put(MANIFEST, "a")
    node.put("refused", f"/{MANIFEST}\n")
    for life in (1, 2):
        with node.service():
            failures = r"report kubeadm manifests failed kubeadm-manifests.sh: not applied:|The Deployment \"x\" is invalid: spec"
            eventually(lambda: len(re.findall(failures, node.text("console"))) >= 2 * life, "a second attempt")  # noqa: B023
            eventually(lambda: len(node.calls("kubelet")) == life, "the kubelet runs")  # noqa: B023
    node.put("refused")
    with node.service():
        eventually(settled(node, "init"), "all is applied")
    assert verbs(node) == ["init begin", "init end"]
    assert node.text("told") == node.text("etc/kubernetes/pki/ca.key")
    assert not node.has(UNFINISHED)


def test_a_control_plane_that_came_up_once_is_never_reset(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put(CONF, "certificate")
    node.put(UNFINISHED, "formed\n")
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("broken", "error: the API server does not come up\n")
    with node.service():
        eventually(lambda: len(node.calls("kubeadm")) >= 3, "three attempts")
        assert len(node.calls("kubelet")) == 1
    assert set(verbs(node)) == {"init end"}
    assert "report kubeadm init failed error: the API server does not come up again_in=0.4" in node.text("console")


def test_a_join_that_did_not_come_as_far_as_etcd_is_done_again(node: Node) -> None:
    """It has an API server's manifest by then, and no certificate."""
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    node.put("etc/kubernetes/manifests/kube-apiserver.yaml", "pod")
    node.put("etc/kubernetes/pki/ca.key", "key")
    node.put(UNFINISHED, "begun\n")
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    assert verbs(node) == ["reset", "join"]


def test_what_somebody_reset_by_hand_is_made_anew(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put(UNFINISHED, "formed\n")
    with node.service():
        eventually(settled(node, "init"), "kubeadm ends well")
    assert verbs(node) == ["reset", "init begin", "init end"]


def test_a_cluster_that_knows_the_node_no_more_is_joined_anew(node: Node) -> None:
    """The certificate that an earlier join left is of a cluster that was made again since."""
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    node.put(CONF, "certificate")
    node.put(UNFINISHED, "begun\n")
    node.put("stranger")
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    with node.service(pause=1) as service:
        service.wait(SECONDS)
    (node.root / "stranger").unlink()
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    assert node.calls("kubeadm") == [f"kubeadm reset --force --cri-socket {CONFIG.split()[-1]}", JOIN]


@pytest.mark.parametrize("content", ["", "\0" * 40])
@pytest.mark.parametrize("of", ["certificate", "kubeconfig"])
def test_a_join_whose_certificate_a_power_cut_took_begins_anew(node: Node, of: str, content: str) -> None:
    """A file that nobody synced may have its length and zero bytes alone."""
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    node.put(CONF, content if of == "kubeconfig" else "    client-certificate: /var/lib/kubelet/current.pem\n")
    node.put("var/lib/kubelet/current.pem", content)
    node.put(UNFINISHED, "begun\n")
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    assert node.calls("kubeadm") == [f"kubeadm reset --force --cri-socket {CONFIG.split()[-1]}", JOIN]


def test_a_further_master_goes_on_with_its_join(node: Node) -> None:
    """Its etcd may be a member by now: to reset it could cost the cluster its majority."""
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    (node.root / "etc/kubernetes/manifests").mkdir(exist_ok=True)
    node.put("etc/kubernetes/manifests/kube-apiserver.yaml", "pod")
    node.put(CONF, "certificate")
    node.put(UNFINISHED, "begun\n")
    with node.service():
        eventually(settled(node, "join"), "kubeadm ends well")
    rest = "--skip-phases=preflight,control-plane-prepare,check-etcd,kubelet-start"
    assert node.calls("kubeadm") == [f"kubeadm join --cri-socket unix:///run/x.sock {rest} 10.0.0.1:6443 --token x"]


# A power cut at each step: before and after each program that changes something, with all that was written on the disk, or with
# no more than what was synced.


def cut_at(node: Node, step: int, keeps: str) -> bool:
    """The service until that step; whether it came to its end before. What is left is what a disk would have."""
    node.put("cut", str(step))
    node.put("steps")
    with node.service() as service:
        eventually(lambda: service.poll() is not None or "is done" in node.said(), "the cut, or the end")
        ended = service.poll() is None
    node.put("cut")
    if keeps == "synced":
        restore(node)
    return ended


def restore(node: Node) -> None:
    for folder in ("etc/kubernetes", "var/lib"):
        shutil.rmtree(node.root / folder)
        (node.root / folder).mkdir()
    if node.has("disk.tar"):
        subprocess.run(["tar", "-C", node.root, "-xf", node.root / "disk.tar"], check=True)
    (node.root / "var/lib/kubelet").mkdir(exist_ok=True)  # as each boot does


@pytest.mark.parametrize(
    "first", [1, *(pytest.param(first, marks=pytest.mark.long) for first in (2, 3))], ids="every third step from {}".format
)
@pytest.mark.parametrize("keeps", ["written", "synced"])
@pytest.mark.parametrize("verb", ["init", "join"])
def test_a_power_cut_at_any_step_ends_in_the_one_cluster(tmp_path: Path, verb: str, keeps: str, first: int) -> None:
    ended, step = False, first - 3
    while not ended:
        step += 3
        node = Node.at(tmp_path / str(step))
        node.put(f"run/config/kubeadm/{verb}", "10.0.0.1:6443\n" if verb == "join" else "")
        node.put(MANIFEST, "a")
        ended = cut_at(node, step, keeps)
        member, resets = bool(node.text(CONF)) and bool(node.text("told")), len(node.calls("kubeadm reset"))
        node.put("said")
        shutil.rmtree(node.root / "run/kubeadm-auto", ignore_errors=True)
        with node.service():
            if node.has(UNFINISHED) or not node.text(CONF):
                eventually(settled(node, verb), f"kubeadm ends well after a cut at step {step}: {node.said()}")
            eventually(lambda: "--of=kubeadm" in (node.calls("kubelet") or [""])[-1], "the kubelet runs")  # noqa: B023
        assert not node.has(UNFINISHED)
        if verb == "init":
            key = node.text("etc/kubernetes/pki/ca.key")
            assert key and set(node.text("told").splitlines()) == {key.strip()}, f"one cluster, after a cut at step {step}"
            assert node.calls("kubectl apply"), f"its manifests, after a cut at step {step}"
        if member:
            assert len(node.calls("kubeadm reset")) == resets, f"nothing is reset after step {step}"
    assert step > 10, "steps were seen"
