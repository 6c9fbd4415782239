"""kubeadm's configuration, fitted to a machine's speed.

Defaults that are scaled: --leader-elect-* 15 s, 10 s, 2 s (component-base/config/v1alpha1);
etcd's heartbeat 100 ms and election 1000 ms, and the news for its watches that kubeadm wants every 5 s; the kubelet's
runtimeRequestTimeout 2 min and its look at each container's use every 10 s; --node-monitor-grace-period 50 s;
the API server's --etcd-healthcheck-timeout and --etcd-readycheck-timeout 2 s, after which its own probes fail.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import yaml

from builder.cluster.guestports import API_PORT
from builder.forming.model import Discovery, Fit

Document = dict[str, Any]

LEASES = 3.0
"""At most so many times the default: kubelets renew their leases every quarter of the duration, whatever the guest's speed, and
a node that is lost should be seen in minutes."""

# kubeadm's own `timeouts` at native speed, in place of the image's, which are for a machine of unknown speed. It must give up,
# and say why, before the one who runs it loses patience (init.py, join.py). Discovery: the API server was just seen to answer.
_TIMEOUTS = {
    "controlPlaneComponentHealthCheck": 150, "discovery": 20, "etcdAPICall": 120,
    "kubeletHealthCheck": 90, "kubernetesAPICall": 60, "tlsBootstrap": 90,
}  # fmt: skip

_REFUSED = 12
"""Seconds for which a joining kubeadm asks an API server again that refuses its token; a minute, kubeadm's own, at the least."""

DISCOVERY = "/run/config/kubeadm/discovery.conf"
"""Where a joining node's kubeadm finds what `discovery_file` gave."""

PATCHES = "/run/config/kubeadm/patches"
"""Where the node's kubeadm finds what `patches` gave."""


def fitted(text: str, fit: Fit) -> str:
    """The same YAML documents with every deadline multiplied by the scale (never below 1), for that node."""
    factor = max(1.0, fit.scale)
    documents = [document for document in yaml.safe_load_all(text) if document]
    for document in documents:
        match document.get("kind"):
            case "InitConfiguration" | "JoinConfiguration":
                _deadlines(document, factor)
                _identify(document, fit)
            case "ClusterConfiguration":
                _cluster(document, factor, fit.endpoint)
            case "KubeletConfiguration":
                _kubelet(document, factor)
    return yaml.safe_dump_all(documents, sort_keys=False)


def discovery_file(discovery: Discovery) -> str:
    """The kubeconfig that kubeadm's file discovery wants: a cluster without a name, as in the ConfigMap cluster-info."""
    trust = base64.b64encode(discovery.authority).decode()
    cluster = {"server": f"https://{discovery.endpoint}", "certificate-authority-data": trust}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]})


def patches(scale: float) -> dict[str, str]:
    """kubeadm's patches (file name -> YAML): probes with as much more patience as the machine is slower.

    kubeadm's own probes wait 15 s and look every 10 s, for readiness every second (cmd/kubeadm/app/util/staticpod/utils.go),
    CoreDNS's wait 5 s and 1 s; an overloaded machine that kills what is only slow becomes slower still. Targets and names:
    kubeadm's flag --patches.
    """
    slow = round(15 * max(1.0, scale))
    alive = {"timeoutSeconds": slow, "periodSeconds": max(10, slow // 2)}
    ready = {"timeoutSeconds": slow, "periodSeconds": round(2 * scale) if scale > 1 else 1}
    found = {}
    for part in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        container = {"name": part, "livenessProbe": alive, "startupProbe": {"timeoutSeconds": slow}}
        if part != "kube-controller-manager":  # the one that kubeadm gives no readiness probe
            container["readinessProbe"] = ready
        found[f"{part}+strategic.yaml"] = yaml.safe_dump({"spec": {"containers": [container]}})
    dns = {"name": "coredns", "livenessProbe": {"timeoutSeconds": slow}, "readinessProbe": {"timeoutSeconds": slow}}
    template = {"spec": {"template": {"spec": {"containers": [dns]}}}}
    return {**found, "corednsdeployment+strategic.yaml": yaml.safe_dump(template)}


def _identify(document: Document, fit: Fit) -> None:
    """Pins the node's name and address, which kubeadm and the kubelet would otherwise guess from DNS and routes."""
    document["patches"] = {"directory": PATCHES}
    registration = document.setdefault("nodeRegistration", {})
    if fit.node_name:
        registration["name"] = fit.node_name
    address = {"node-ip": fit.address} if fit.address else {}
    pace = {"housekeeping-interval": _seconds(10 * min(fit.scale, LEASES))} if fit.scale > 1 else {}
    _add(registration, "kubeletExtraArgs", {**address, **pace})
    if fit.untainted:
        registration.setdefault("taints", [])
    if document["kind"] == "InitConfiguration":
        _lead(document, fit)
    elif fit.discovery:
        _follow(document, fit, fit.discovery)


def _lead(document: Document, fit: Fit) -> None:
    if fit.address:
        document["localAPIEndpoint"] = {"advertiseAddress": fit.address, "bindPort": API_PORT}
    if fit.certificate_key:
        document["certificateKey"] = fit.certificate_key
    if fit.token:
        document["bootstrapTokens"] = [{"token": fit.token, "ttl": f"{fit.minutes}m0s"}]


def _follow(document: Document, fit: Fit, discovery: Discovery) -> None:
    document["discovery"] = {"file": {"kubeConfigPath": DISCOVERY}, "tlsBootstrapToken": discovery.token}
    if fit.master:
        document["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": fit.address, "bindPort": API_PORT},
            "certificateKey": fit.certificate_key,
        }


def _deadlines(document: Document, factor: float) -> None:
    seconds = {name: value * factor for name, value in _TIMEOUTS.items()}
    if document["kind"] == "JoinConfiguration":
        seconds["kubernetesAPICall"] = max(_TIMEOUTS["kubernetesAPICall"], _REFUSED * factor)
    document["timeouts"] = {name: _seconds(value) for name, value in seconds.items()}


def _cluster(document: Document, factor: float, endpoint: str) -> None:
    if not endpoint:
        election = {"leader-elect": "false"}
    else:
        document["controlPlaneEndpoint"] = endpoint
        election = {
            "leader-elect-lease-duration": _seconds(min(15 * factor, 120)),
            "leader-elect-renew-deadline": _seconds(min(10 * factor, 90)),
            "leader-elect-retry-period": _seconds(min(2 * factor, 10)),
        }
    etcd = _seconds(2 * factor)
    _arguments(document, "apiServer", {"etcd-healthcheck-timeout": etcd, "etcd-readycheck-timeout": etcd})
    _arguments(document, "scheduler", election)
    grace = {"node-monitor-grace-period": _seconds(50 * min(factor, LEASES))}
    _arguments(document, "controllerManager", {**election, **grace})
    if "external" in document.get("etcd", {}):
        return
    local = document.setdefault("etcd", {}).setdefault("local", {})
    pace = min(factor, 10)  # etcd refuses elections over 50 s
    paced = {"heartbeat-interval": f"{100 * pace:.0f}", "election-timeout": f"{1000 * pace:.0f}"}
    # About 60 messages each time, to watches of which nothing else is new; the API server asks for one where it needs it.
    news = {"watch-progress-notify-interval": _seconds(min(5 * factor, 60))} if factor > 1 else {}
    _add(local, "extraArgs", {**paced, **news})


def _kubelet(document: Document, factor: float) -> None:
    """What the author has set stays, but that a request may take as long as the machine needs."""
    document["runtimeRequestTimeout"] = _seconds(max(120 * factor, _in_seconds(document.get("runtimeRequestTimeout", "0s"))))
    document.setdefault("nodeLeaseDurationSeconds", round(40 * min(factor, LEASES)))
    if factor > 1:
        # kube-controller-manager gives up after 10 s without an API server, and would pause 10, 20, 40 s when the server comes.
        document.setdefault("crashLoopBackOff", {"maxContainerRestartPeriod": "10s"})


def _arguments(document: Document, part: str, values: Mapping[str, str]) -> None:
    _add(document.setdefault(part, {}), "extraArgs", values)


def _add(section: Document, key: str, values: Mapping[str, str]) -> None:
    """Adds arguments that the author has not set."""
    arguments = section.get(key, [])
    given = {argument["name"] for argument in arguments}
    added = [{"name": name, "value": value} for name, value in sorted(values.items()) if name not in given]
    if added:
        section[key] = [*arguments, *added]


def _seconds(value: float) -> str:
    return f"{round(value)}s"


def _in_seconds(duration: str) -> float:
    """Of a duration as Go writes it: 1h30m, 0.5s, 200ms."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|µs|ns|m|s)", duration))
