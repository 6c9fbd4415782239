"""What is known of Kubernetes' versions, behind named questions."""

from builder.errors import InputError

# cmd/kubeadm/app/constants/constants.go of each minor version: SupportedEtcdVersion, CoreDNSVersion, PauseVersion.
_KUBEADM_EXPECTS = {
    "1.36": {"etcd": "3.6.8", "coredns": "1.14.2", "pause": "3.10.2"},
}


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def expected_by_kubeadm(version: str) -> dict[str, str]:
    """The versions of etcd, CoreDNS and pause that this version's kubeadm asks for."""
    known = _KUBEADM_EXPECTS.get(minor(version))
    if known is None:
        raise InputError(
            f"Kubernetes {version} is not known to this version of kubeiso",
            hint=f"known minor versions: {', '.join(sorted(_KUBEADM_EXPECTS))}",
        )
    return known


def control_plane(role_has_it: bool) -> tuple[str, ...]:
    """The folders of pkg/ whose images kubeadm needs on a node: all on a master, kube-proxy, CoreDNS and pause on a worker."""
    everywhere = ("coredns", "kube-proxy", "pause")
    masters = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return tuple(sorted((*everywhere, *masters))) if role_has_it else everywhere
