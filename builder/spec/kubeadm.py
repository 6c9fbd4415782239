"""kubeadm's configuration (kubeadm.k8s.io/v1beta4), as the image carries it.

Field names: cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go and staging/src/k8s.io/kubelet/config/v1beta1/types.go of v1.36.3.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from builder.recipe.model import Recipe, Swap
from builder.spec import hardening
from builder.spec.fields import merged
from builder.spec.model import KUBELETS_OWN, Kubernetes, PodNetwork, Runtime

# kubeadm's own defaults in seconds, three times as long: a first start on a slow disk or under emulation is no failure.
_TIMEOUTS = {
    "controlPlaneComponentHealthCheck": 720, "discovery": 900, "etcdAPICall": 360,
    "kubeletHealthCheck": 720, "kubernetesAPICall": 180, "tlsBootstrap": 900,
}  # fmt: skip


def init_config(recipe: Recipe, runtime: Runtime, network: PodNetwork, kubernetes: Kubernetes) -> str:
    """The YAML documents for `kubeadm init --config`."""
    cluster = {**_cluster(recipe, network, kubernetes), **_images(kubernetes)}
    documents = (_node("InitConfiguration", runtime), cluster, _kubelet(recipe, runtime), _proxy(recipe))
    return yaml.safe_dump_all([_with(recipe, document) for document in documents], sort_keys=False)


def join_config(recipe: Recipe, runtime: Runtime) -> str:
    """What is known beforehand of `kubeadm join --config`; which cluster to join (`discovery`) has to be added."""
    return yaml.safe_dump(_with(recipe, _node("JoinConfiguration", runtime)), sort_keys=False)


def _with(recipe: Recipe, ours: dict[str, Any]) -> dict[str, Any]:
    """A document with what the recipe gives of it. An etcd elsewhere takes the place of the node's own."""
    made: dict[str, Any] = merged(ours, recipe.configurations().get(ours["kind"], {}))
    if "external" in made.get("etcd", {}):
        made["etcd"].pop("local", None)
    return made


def upgrade_config(kubernetes: Kubernetes) -> str:
    """The YAML for `kubeadm upgrade`, both of the cluster and of a node, after kubeadm-upgrade.sh has brought the static pods.

    It leaves out the preflight, which wants a Job done within a minute and every master Ready; the static pods, which would lose
    the patches that they were made with; and the kubelet's kubeconfig, without which a power cut would leave no node.
    """
    skipped = ["preflight", "control-plane", "kubeconfig"]
    document = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "UpgradeConfiguration",
        "apply": {"kubernetesVersion": f"v{kubernetes.version}", "skipPhases": skipped},
        "node": {"skipPhases": [*skipped]},
        "timeouts": _timeouts(),
    }
    return yaml.safe_dump(document, sort_keys=False)


def _node(kind: str, runtime: Runtime) -> dict[str, Any]:
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": kind,
        "nodeRegistration": {
            "criSocket": runtime.socket,
            "imagePullPolicy": "IfNotPresent",
            # kubeadm wants two processors of a master, and warns now; emulated machines side by side are quicker with one.
            "ignorePreflightErrors": ["NumCPU"],
            "kubeletExtraArgs": _arguments(runtime.kubelet_arguments),
        },
        "timeouts": _timeouts(),
    }


def _timeouts() -> dict[str, str]:
    return {name: f"{seconds}s" for name, seconds in _TIMEOUTS.items()}


def _arguments(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


def _cluster(recipe: Recipe, network: PodNetwork, kubernetes: Kubernetes) -> dict[str, Any]:
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": "kubeiso",
        # Keys and handshakes cost a fraction of RSA's, which counts on small and on emulated machines.
        "encryptionAlgorithm": "ECDSA-P256",
        "kubernetesVersion": f"v{kubernetes.version}",
        "networking": {
            "dnsDomain": recipe.network.domain,
            "podSubnet": recipe.network.pod_subnet,
            "serviceSubnet": recipe.network.service_subnet,
        },
        "apiServer": {
            "certSANs": ["127.0.0.1", "localhost"],
            "extraArgs": _arguments({**hardening.API_SERVER, **_knows_kubelets(recipe)}),
            "extraVolumes": hardening.audit_volumes(),
        },
        "controllerManager": {
            "extraArgs": _arguments({**hardening.CONTROLLER_MANAGER, "allocate-node-cidrs": _allocates(network)})
        },
        "scheduler": {"extraArgs": _arguments(hardening.SCHEDULER)},
    }


def _knows_kubelets(recipe: Recipe) -> Mapping[str, str]:
    return hardening.KNOWS_KUBELETS if {**hardening.KUBELET, **recipe.kubelet}["serverTLSBootstrap"] else {}


def _allocates(network: PodNetwork) -> str:
    """Where the nodes' plan has the ranges, a controller with an order of its own must not give out others."""
    return str(not network.host_ranges).lower()


def _images(kubernetes: Kubernetes) -> dict[str, Any]:
    """Tags of images where those that the node carries are not kubeadm's own choice."""
    tags = kubernetes.image_tags
    etcd = {"etcd": {"local": {"imageTag": tags["etcd"]}}} if "etcd" in tags else {}
    return {**etcd, **({"dns": {"imageTag": tags["coredns"]}} if "coredns" in tags else {})}


def _kubelet(recipe: Recipe, runtime: Runtime) -> dict[str, Any]:
    seconds = runtime.request_timeout
    return {
        **({"runtimeRequestTimeout": f"{seconds}s"} if seconds != KUBELETS_OWN else {}),
        **(_swap(recipe.swap) if recipe.swap.size else {}),
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": runtime.cgroup_driver,
        "clusterDomain": recipe.network.domain,
        # The images lie in the read-only root: to delete them would free nothing.
        "imageGCHighThresholdPercent": 100,
        **hardening.KUBELET,
        "volumePluginDir": "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
    }


def _swap(swap: Swap) -> dict[str, Any]:
    return {"failSwapOn": False, "memorySwap": {"swapBehavior": "LimitedSwap" if swap.pods else "NoSwap"}}


def _proxy(recipe: Recipe) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": recipe.network.proxy_mode,
        "clusterCIDR": recipe.network.pod_subnet,
        # In nftables mode the default is the Node's own address alone, and access from outside may come in by another card.
        "nodePortAddresses": ["0.0.0.0/0"],
    }
