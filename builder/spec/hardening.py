"""What the CIS Kubernetes Benchmark (v1.12) and the Kernel Self-Protection Project ask for beyond what is so already.

The benchmark's points stand behind what they ask for. builder/acceptance/cis.yml has what proves them, README.md what is left.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from builder.spec.model import NodeFile

AUDIT_POLICY, AUDIT_LOGS = "etc/kubeadm/audit-policy.yaml", "/var/log/kubernetes"

# Mozilla's "intermediate" of today without what has no forward secrecy or no AEAD; TLS 1.3 has its own, which can't be chosen.
_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)  # fmt: skip

API_SERVER: Mapping[str, str] = {
    "audit-log-maxage": "30",  # 1.2.17
    "audit-log-maxbackup": "10",  # 1.2.18
    "audit-log-maxsize": "10",  # 1.2.19, in MB; of a node without a state disk it is memory
    "audit-log-path": f"{AUDIT_LOGS}/audit.log",  # 1.2.16
    "audit-policy-file": f"/{AUDIT_POLICY}",  # 3.2.1
    "profiling": "false",  # 1.2.15
    "service-account-extend-token-expiration": "false",  # 1.2.30
    "tls-cipher-suites": ",".join(_CIPHERS),  # 1.2.29
}
CONTROLLER_MANAGER: dict[str, str] = {"profiling": "false"}  # 1.3.2
SCHEDULER: Mapping[str, str] = {"profiling": "false"}  # 1.4.1

# 1.2.5, where kubelets have certificates of the cluster's authority (KUBELET).
KNOWS_KUBELETS: Mapping[str, str] = {"kubelet-certificate-authority": "/etc/kubernetes/pki/ca.crt"}

KUBELET: Mapping[str, Any] = {
    "podPidsLimit": 4096,  # 4.2.13: one pod can't take all process numbers of the node
    "protectKernelDefaults": True,  # the values that it wants are in SYSCTL
    "seccompDefault": True,  # 4.2.14
    "serverTLSBootstrap": True,  # 4.2.9 and 4.2.11; pkg/certificates approves what kubelets ask for
    "tlsCipherSuites": list(_CIPHERS),  # 4.2.12
}

# What a kubelet with protectKernelDefaults wants (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables).
KERNEL_DEFAULTS: Mapping[str, str] = {
    "kernel.keys.root_maxbytes": "25000000", "kernel.keys.root_maxkeys": "1000000", "kernel.panic": "10",
    "kernel.panic_on_oops": "1", "vm.overcommit_memory": "1", "vm.panic_on_oom": "0",
}  # fmt: skip

# kspp.github.io/Recommended_Settings, as far as no pod of the usual kind needs what they forbid.
SYSCTL: Mapping[str, str] = {
    **KERNEL_DEFAULTS,
    "dev.tty.ldisc_autoload": "0", "fs.protected_fifos": "1", "fs.protected_hardlinks": "1", "fs.protected_regular": "1",
    "fs.protected_symlinks": "1", "kernel.kexec_load_disabled": "1", "kernel.kptr_restrict": "2", "kernel.yama.ptrace_scope": "1",
}  # fmt: skip

KERNEL_ARGUMENTS = ("slab_nomerge", "page_alloc.shuffle=1")

_SENSITIVE = [
    "secrets", "configmaps", "serviceaccounts/token", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers",
    "pods/proxy", "services/proxy", "nodes/proxy",
]  # fmt: skip
_CHANGES = ["create", "update", "patch", "delete", "deletecollection"]
_POLICY: Mapping[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # What the cluster says to itself all day.
        {"level": "None", "resources": [
            {"group": "", "resources": ["events", "nodes/status", "pods/status"]},
            {"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "events.k8s.io", "resources": ["events"]},
            {"group": "discovery.k8s.io", "resources": ["endpointslices"]},
        ]},
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"],
         "verbs": ["get", "list", "watch"]},
        {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
        # 3.2.2: who asks for secrets and tokens, and who goes into pods; without what they hold.
        {"level": "Metadata", "resources": [
            {"group": "", "resources": _SENSITIVE},
            {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
        ]},
        {"level": "Metadata", "verbs": _CHANGES},
    ],
}  # fmt: skip


def audit_files() -> Iterator[NodeFile]:
    """The API server's audit policy, on each master."""
    yield NodeFile(path=AUDIT_POLICY, contents=yaml.safe_dump(_POLICY, sort_keys=False), mode="0600")


def audit_volumes() -> list[dict[str, Any]]:
    """What the API server's pod sees of the node for it (kubeadm.k8s.io/v1beta4, HostPathMount)."""
    policy = {"name": "audit-policy", "hostPath": f"/{AUDIT_POLICY}", "mountPath": f"/{AUDIT_POLICY}", "readOnly": True}
    logs = {"name": "audit-logs", "hostPath": AUDIT_LOGS, "mountPath": AUDIT_LOGS, "pathType": "DirectoryOrCreate"}
    return [{**policy, "pathType": "File"}, logs]
