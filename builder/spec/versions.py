"""What is known of Kubernetes' versions, behind named questions. Versions have no leading v."""

from collections.abc import Mapping

# How many minor versions a program may be older, and newer, than the API server (Kubernetes' version skew policy); kubeadm checks
# some of this on the node, and would refuse there.
_SKEW = {
    "kube-controller-manager": (1, 0), "kube-proxy": (3, 0), "kube-scheduler": (1, 0),
    "kubeadm": (0, 1), "kubectl": (1, 1), "kubelet": (3, 0),
}  # fmt: skip


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def unsupported(api_server: str, others: Mapping[str, str]) -> tuple[str, ...]:
    """What Kubernetes does not support in a cluster with this API server: a line for each program of such a version."""
    found = []
    for name, version in sorted(others.items()):
        older, newer = _SKEW.get(name, (0, 0))
        ahead = _number(version) - _number(api_server)
        if name in _SKEW and not -older <= ahead <= newer:
            found.append(f"{name} v{version}: {_allowed(older, newer)} than the API server, which is v{api_server}")
    return tuple(found)


def _allowed(older: int, newer: int) -> str:
    ways = [f"{count} minor version{'s' * (count > 1)} {way}" for count, way in ((older, "older"), (newer, "newer")) if count]
    return f"it may be at most {' or '.join(ways)}{'' if newer else ', and not newer,'}{'' if older else ', and not older,'}"


def _number(version: str) -> int:
    """The minor version, in one number with the major one."""
    major, number = minor(version).split(".")
    return int(major) * 1000 + int(number)


def control_plane(role_has_it: bool) -> tuple[str, ...]:
    """The folders of pkg/ whose images kubeadm needs on a node: all on a master, kube-proxy, CoreDNS and pause on a worker."""
    everywhere = ("coredns", "kube-proxy", "pause")
    masters = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return tuple(sorted((*everywhere, *masters))) if role_has_it else everywhere
