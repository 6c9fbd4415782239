"""Deadlines of kubeadm's configuration follow the guest's speed."""

import pytest
import yaml

from builder.forming.fit import DISCOVERY, discovery_file, fitted, patches
from builder.forming.model import Discovery, Fit

BASE = """
kind: InitConfiguration
timeouts: {kubeletHealthCheck: 720s, discovery: 900s}
---
kind: ClusterConfiguration
scheduler: {extraArgs: [{name: leader-elect-lease-duration, value: 7s}]}
---
kind: KubeletConfiguration
"""


ENDPOINT = "127.0.0.1:7443"
JOIN = "{kind: JoinConfiguration, timeouts: {discovery: 900s}}"
FOUND = Discovery(endpoint="10.64.0.11:6443", token="abcdef.0123456789abcdef", authority=b"PEM")


def documents(text: str, fit: Fit) -> dict[str, dict[str, object]]:
    return {document["kind"]: document for document in yaml.safe_load_all(fitted(text, fit))}


def parsed(scale: float, name: str = "", endpoint: str = "") -> dict[str, dict[str, object]]:
    return documents(BASE, Fit(scale, node_name=name, endpoint=endpoint))


def values(document: dict[str, object], *path: str) -> dict[str, str]:
    section: object = document
    for name in path:
        assert isinstance(section, dict)
        section = section[name]
    assert isinstance(section, list)
    return {argument["name"]: argument["value"] for argument in section}


def seconds(scale: float) -> dict[str, float]:
    timeouts = parsed(scale)["InitConfiguration"]["timeouts"]
    assert isinstance(timeouts, dict)
    return {name: float(value.removesuffix("s")) for name, value in timeouts.items()}


def test_timeouts_are_multiplied() -> None:
    assert seconds(4.0) == {name: 4 * value for name, value in seconds(1.0).items()}


@pytest.mark.parametrize("scale", [1.0, 5.0, 30.0])
def test_kubeadm_gives_up_and_says_why_before_its_caller_does(scale: float) -> None:
    patience = 240 * scale
    given = seconds(scale)
    assert given["discovery"] + given["kubeletHealthCheck"] + given["tlsBootstrap"] < patience
    assert given["controlPlaneComponentHealthCheck"] < 0.7 * patience, "the phases before it take their time too"


def test_a_fast_guest_keeps_the_defaults() -> None:
    assert seconds(0.3) == seconds(1.0)
    assert (
        values(parsed(1.0, "", ENDPOINT)["ClusterConfiguration"], "scheduler", "extraArgs")["leader-elect-retry-period"] == "2s"
    )


def test_leader_election_and_etcd_are_slower_on_a_slow_guest() -> None:
    cluster = parsed(5.0, "", ENDPOINT)["ClusterConfiguration"]
    manager = values(cluster, "controllerManager", "extraArgs")
    assert manager["leader-elect-lease-duration"] == "75s"
    assert manager["leader-elect-renew-deadline"] == "50s"
    assert manager["node-monitor-grace-period"] == "150s"
    server = values(cluster, "apiServer", "extraArgs")
    assert server["etcd-healthcheck-timeout"] == server["etcd-readycheck-timeout"] == "10s"
    assert values(cluster, "etcd", "local", "extraArgs") == {
        "heartbeat-interval": "500", "election-timeout": "5000", "watch-progress-notify-interval": "25s",
    }  # fmt: skip


def test_a_restart_on_a_slow_guest_does_not_pause_longer_and_longer() -> None:
    assert parsed(5.0)["KubeletConfiguration"]["crashLoopBackOff"] == {"maxContainerRestartPeriod": "10s"}
    assert "crashLoopBackOff" not in parsed(1.0)["KubeletConfiguration"]


def test_what_the_author_set_stays() -> None:
    assert values(parsed(5.0)["ClusterConfiguration"], "scheduler", "extraArgs")["leader-elect-lease-duration"] == "7s"


def test_etcds_election_stays_below_its_limit() -> None:
    etcd = values(parsed(30.0)["ClusterConfiguration"], "etcd", "local", "extraArgs")
    assert int(etcd["election-timeout"]) < 50000


def test_a_slow_guest_is_busy_with_itself_less_often() -> None:
    quick, slow, slower = (parsed(scale, "one") for scale in (1.0, 2.0, 30.0))
    assert "kubeletExtraArgs" not in quick["InitConfiguration"]["nodeRegistration"]  # type: ignore[operator]
    assert "watch-progress-notify-interval" not in values(quick["ClusterConfiguration"], "etcd", "local", "extraArgs")
    for made, containers, watches in ((slow, "20s", "10s"), (slower, "30s", "60s")):
        given = values(made["InitConfiguration"], "nodeRegistration", "kubeletExtraArgs")
        assert given == {"housekeeping-interval": containers}
        assert values(made["ClusterConfiguration"], "etcd", "local", "extraArgs")["watch-progress-notify-interval"] == watches


def test_the_node_gets_its_name() -> None:
    assert parsed(1.0, "one")["InitConfiguration"]["nodeRegistration"] == {"name": "one"}


def test_one_master_holds_no_election() -> None:
    alone, many = parsed(1.0)["ClusterConfiguration"], parsed(1.0, "", ENDPOINT)["ClusterConfiguration"]
    for part in ("scheduler", "controllerManager"):
        assert values(alone, part, "extraArgs")["leader-elect"] == "false"
        assert "leader-elect" not in values(many, part, "extraArgs")
    assert ("controlPlaneEndpoint" in alone, many["controlPlaneEndpoint"]) == (False, ENDPOINT)


@pytest.mark.parametrize(("scale", "asked"), [(1.0, "60s"), (5.0, "60s"), (10.0, "120s")])
def test_a_refused_token_is_told_within_minutes(scale: float, asked: str) -> None:
    timeouts = documents(JOIN, Fit(scale))["JoinConfiguration"]["timeouts"]
    assert isinstance(timeouts, dict) and timeouts["kubernetesAPICall"] == asked


def test_a_worker_joins_by_the_masters_address() -> None:
    join = documents(JOIN, Fit(1.0, node_name="w", address="10.64.0.20", discovery=FOUND))["JoinConfiguration"]
    assert join["discovery"] == {"file": {"kubeConfigPath": DISCOVERY}, "tlsBootstrapToken": FOUND.token}
    (cluster,) = yaml.safe_load(discovery_file(FOUND))["clusters"]
    assert cluster["name"] == ""
    assert cluster["cluster"] == {"server": "https://10.64.0.11:6443", "certificate-authority-data": "UEVN"}
    assert "controlPlane" not in join


def test_a_further_master_joins_with_the_key_to_the_certificates() -> None:
    fit = Fit(1.0, address="10.64.0.12", discovery=FOUND, master=True, untainted=True, certificate_key="aa")
    join = documents(JOIN, fit)["JoinConfiguration"]
    assert join["controlPlane"] == {
        "localAPIEndpoint": {"advertiseAddress": "10.64.0.12", "bindPort": 6443}, "certificateKey": "aa",
    }  # fmt: skip
    assert join["nodeRegistration"]["taints"] == []  # type: ignore[index]
    init = documents(BASE, Fit(1.0, certificate_key="aa"))["InitConfiguration"]
    assert init["certificateKey"] == "aa"


def test_the_address_is_pinned() -> None:
    init = documents(BASE, Fit(1.0, address="10.0.2.15"))["InitConfiguration"]
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.0.2.15", "bindPort": 6443}
    assert values(init, "nodeRegistration", "kubeletExtraArgs") == {"node-ip": "10.0.2.15"}


def test_probes_wait_as_much_longer_as_the_machine_is_slower() -> None:
    given = {name: yaml.safe_load(text) for name, text in patches(5.0).items()}
    (api,) = given["kube-apiserver+strategic.yaml"]["spec"]["containers"]
    assert (api["name"], api["livenessProbe"]["timeoutSeconds"], api["readinessProbe"]["timeoutSeconds"]) == (
        "kube-apiserver",
        75,
        75,
    )
    (dns,) = given["corednsdeployment+strategic.yaml"]["spec"]["template"]["spec"]["containers"]
    assert dns["readinessProbe"]["timeoutSeconds"] == 75
    assert api["readinessProbe"]["periodSeconds"] == 10
    assert yaml.safe_load(patches(0.1)["etcd+strategic.yaml"])["spec"]["containers"][0]["livenessProbe"]["timeoutSeconds"] == 15


SET = """
kind: InitConfiguration
nodeRegistration:
  taints: [{key: own, effect: NoSchedule}]
  kubeletExtraArgs: [{name: housekeeping-interval, value: 15s}]
---
kind: ClusterConfiguration
etcd: {external: {endpoints: ["https://etcd:2379"]}}
---
kind: KubeletConfiguration
nodeLeaseDurationSeconds: 20
runtimeRequestTimeout: 15m30s
crashLoopBackOff: {maxContainerRestartPeriod: 60s}
"""


def test_what_the_author_has_set_stays() -> None:
    made = documents(SET, Fit(5.0, untainted=True))
    registration = made["InitConfiguration"]["nodeRegistration"]
    assert isinstance(registration, dict) and registration["taints"] == [{"key": "own", "effect": "NoSchedule"}]
    assert values(registration, "kubeletExtraArgs") == {"housekeeping-interval": "15s"}
    assert made["ClusterConfiguration"]["etcd"] == {"external": {"endpoints": ["https://etcd:2379"]}}
    kubelet = made["KubeletConfiguration"]
    assert (kubelet["nodeLeaseDurationSeconds"], kubelet["crashLoopBackOff"]) == (20, {"maxContainerRestartPeriod": "60s"})


@pytest.mark.parametrize(
    ("given", "scale", "seconds"), [("15m30s", 5.0, 930), ("1m", 5.0, 600), ("0.5h", 1.0, 1800), ("200ms", 1.0, 120)]
)
def test_a_request_may_take_as_long_as_the_machine_needs(given: str, scale: float, seconds: int) -> None:
    kubelet = documents(f"{{kind: KubeletConfiguration, runtimeRequestTimeout: {given}}}", Fit(scale))["KubeletConfiguration"]
    assert kubelet["runtimeRequestTimeout"] == f"{seconds}s"
