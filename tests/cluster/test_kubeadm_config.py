"""Deadlines of kubeadm's configuration follow the guest's speed."""

import yaml

from builder.cluster.kubeadm import Fit, fitted, patches

BASE = """
kind: InitConfiguration
timeouts: {kubeletHealthCheck: 720s, discovery: 900s}
---
kind: ClusterConfiguration
scheduler: {extraArgs: [{name: leader-elect-lease-duration, value: 7s}]}
---
kind: KubeletConfiguration
"""


def parsed(scale: float, name: str = "") -> dict[str, dict[str, object]]:
    return {document["kind"]: document for document in yaml.safe_load_all(fitted(BASE, Fit(scale, node_name=name)))}


def values(document: dict[str, object], *path: str) -> dict[str, str]:
    section: object = document
    for name in path:
        assert isinstance(section, dict)
        section = section[name]
    assert isinstance(section, list)
    return {argument["name"]: argument["value"] for argument in section}


def test_timeouts_are_multiplied() -> None:
    assert parsed(4.0)["InitConfiguration"]["timeouts"] == {"kubeletHealthCheck": "2880s", "discovery": "3600s"}


def test_a_fast_guest_keeps_the_defaults() -> None:
    assert parsed(0.3)["InitConfiguration"]["timeouts"] == {"kubeletHealthCheck": "720s", "discovery": "900s"}
    assert values(parsed(1.0)["ClusterConfiguration"], "controllerManager", "extraArgs")["leader-elect-lease-duration"] == "15s"


def test_leader_election_and_etcd_are_slower_on_a_slow_guest() -> None:
    cluster = parsed(5.0)["ClusterConfiguration"]
    manager = values(cluster, "controllerManager", "extraArgs")
    assert manager["leader-elect-lease-duration"] == "75s"
    assert manager["leader-elect-renew-deadline"] == "50s"
    assert manager["node-monitor-grace-period"] == "150s"
    assert values(cluster, "etcd", "local", "extraArgs") == {"heartbeat-interval": "500", "election-timeout": "5000"}


def test_what_the_author_set_stays() -> None:
    assert values(parsed(5.0)["ClusterConfiguration"], "scheduler", "extraArgs")["leader-elect-lease-duration"] == "7s"


def test_etcds_election_stays_below_its_limit() -> None:
    etcd = values(parsed(30.0)["ClusterConfiguration"], "etcd", "local", "extraArgs")
    assert int(etcd["election-timeout"]) < 50000


def test_the_node_gets_its_name() -> None:
    assert parsed(1.0, "one")["InitConfiguration"]["nodeRegistration"] == {"name": "one"}


def test_one_master_holds_no_election() -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all(fitted(BASE, Fit(1.0, alone=True)))}
    for part in ("scheduler", "controllerManager"):
        assert values(documents["ClusterConfiguration"], part, "extraArgs")["leader-elect"] == "false"
    assert "leader-elect" not in values(parsed(1.0)["ClusterConfiguration"], "controllerManager", "extraArgs")


def test_the_address_is_pinned() -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all(fitted(BASE, Fit(1.0, address="10.0.2.15")))}
    assert documents["InitConfiguration"]["localAPIEndpoint"] == {"advertiseAddress": "10.0.2.15", "bindPort": 6443}
    assert values(documents["InitConfiguration"], "nodeRegistration", "kubeletExtraArgs") == {"node-ip": "10.0.2.15"}


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
    assert yaml.safe_load(patches(0.1)["etcd+strategic.yaml"])["spec"]["containers"][0]["livenessProbe"]["timeoutSeconds"] == 15
