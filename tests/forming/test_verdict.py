"""What a user reads when a node does not come up: the cause, in kubeadm's, the kubelet's and the scheduler's own words."""

import pytest

from builder.forming.objects import pod_reason, pressure
from builder.forming.verdict import reason

TAIL = "\nTo see the stack trace of this error execute with --v=5 or higher\n"
VOID = "the cluster knows no such token, or the token has expired"
DISCOVERY = "error: error execution phase preflight: couldn't validate the identity of the API Server: "


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            'Abort reading the cluster-info ConfigMap after timeout of 20s: Get "https://10.64.0.11:6443/": EOF',
            "can't be reached",
        ),
        ('could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"', VOID),
        ('token id "abcdef" is invalid for this cluster or it has expired. Use "kubeadm token create"', VOID),
        (
            "failed to verify JWS signature of received cluster info object, can't trust this API Server",
            "the token's secret is not the one",
        ),
        ("cluster CA found in cluster-info ConfigMap is invalid: none of the public keys are pinned", "another cluster answers"),
        (
            'failed to request the cluster-info ConfigMap: Get "https://10.64.0.11:6443/api?timeout=10s": no route to host',
            "the API server can't be reached from the node",
        ),
    ],
)
def test_discovery(said: str, meaning: str) -> None:
    told = reason(f"[preflight] Running pre-flight checks\n{DISCOVERY}{said}{TAIL}")
    assert told.startswith(("the ", "another ")) and meaning in told
    assert told.endswith(said), "kubeadm's own words are kept"


def test_failed_checks_are_told_and_not_that_there_were_some() -> None:
    output = (
        "[preflight] Running pre-flight checks\n\t[WARNING Swap]: swap is on\n[preflight] Some fatal errors occurred:\n"
        "\t[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists\n"
        "\t[ERROR Port-10250]: Port 10250 is in use\n"
        "[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`\n"
        f"error: error execution phase preflight: preflight checks failed{TAIL}"
    )
    assert reason(output) == (
        "[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists; "
        "[ERROR Port-10250]: Port 10250 is in use"
    )


def test_a_full_disk() -> None:
    said = (
        "error: error execution phase certs/ca: failure while saving ca certificate and key: unable to write private key to file "
        "/etc/kubernetes/pki/ca.key: mkdir /etc/kubernetes/pki: no space left on device"
    )
    told = reason(f'[certs] Using certificateDir folder "/etc/kubernetes/pki"\n{said}{TAIL}')
    assert told.startswith("a disk of the node is full") and told.endswith("no space left on device")


def test_a_kubelet_that_does_not_come_up() -> None:
    said = (
        "error: error execution phase kubelet-start: failed while waiting for the kubelet to start: The HTTP call equal to "
        "'curl -sSL http://127.0.0.1:10248/healthz' returned error: Get \"http://127.0.0.1:10248/healthz\": connection refused\n"
    )
    assert reason(said + TAIL).startswith("the node's kubelet does not come up; its log on the node, kubelet.log, tells why: ")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("", ""),
        ("\n \n", ""),
        ("ctr: container not running\n", "ctr: container not running"),
        ("Error from server (Forbidden): not you\nkubeadm-init.sh: applying x\n", "Error from server (Forbidden): not you"),
    ],
)
def test_scripts_and_programs_around_kubeadm(output: str, told: str) -> None:
    assert reason(output).startswith(told)
    assert bool(reason(output)) is bool(told)


def test_a_node_that_is_short_of_something_says_of_what() -> None:
    ready = {"type": "Ready", "status": "True", "message": "kubelet is posting ready status"}
    enough = {"type": "MemoryPressure", "status": "False", "message": "kubelet has sufficient memory available"}
    full = {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"}
    assert pressure({"status": {"conditions": [ready, enough, full]}}) == "DiskPressure: kubelet has disk pressure"
    assert pressure({"status": {"conditions": [ready, enough]}}) == pressure({"status": {}}) == ""


UNPLACED = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
EVICTED = "The node was low on resource: ephemeral-storage."


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ErrImageNeverPull"}}}]}, "ErrImageNeverPull"),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": UNPLACED}]}, UNPLACED),
        ({"phase": "Failed", "reason": "Evicted", "message": EVICTED}, EVICTED),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}, "ContainersNotReady"),
        ({"phase": "Pending"}, "Pending"),
        ({}, "unknown"),
    ],
)
def test_why_a_pod_is_not_ready(status: dict[str, object], told: str) -> None:
    assert pod_reason({"metadata": {"name": "one"}, "status": status}) == f"one: {told}"
