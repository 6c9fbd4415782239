"""Why kubeadm failed: its own words, and before them what they mean where they leave that to the reader.

The words are those of kubeadm v1.36: cmd/kubeadm/app/discovery/token, preflight/checks.go and util/apiclient/wait.go.
"""

import re

_MEANINGS = {
    "Unauthorized": "the cluster knows no such token, the token has expired, or its secret is another",
    "Abort reading the cluster-info ConfigMap": "the API server can't be reached from the node",
    "could not find a JWS signature": "the cluster knows no such token, or the token has expired",
    "is invalid for this cluster or it has expired": "the cluster knows no such token, or the token has expired",
    "failed to verify JWS signature": "the token's secret is not the one that the cluster knows",
    "cluster CA found in cluster-info ConfigMap is invalid": "another cluster answers there: its CA is not the expected one",
    "failed to request the cluster-info ConfigMap": "the API server can't be reached from the node",
    "no space left on device": "a disk of the node is full; `df` on the node tells which",
    "/healthz' returned": "the node's kubelet does not come up; its log on the node, kubelet.log, tells why",
}


def reason(output: str) -> str:
    """The cause in what kubeadm, or a script around it, wrote; empty where it wrote nothing.

    Failed preflight checks are told in lines of their own, and the error after them says no more than that there were some.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    checks = [line for line in lines if line.startswith("[ERROR ")]
    errors = [line.removeprefix("error: ") for line in lines if re.match(r"error\b", line, re.IGNORECASE)]
    said = "; ".join(checks) or (errors or lines or [""])[-1]
    meaning = next((meaning for words, meaning in _MEANINGS.items() if words in said), "")
    return f"{meaning}: {said}" if meaning else said


# kubeadm gives the runtime two seconds for each answer, whatever the machine's speed (cmd/kubeadm/app/util/runtime/runtime.go).
_LATE = re.compile(r"\[ERROR CRI\]: .*(DeadlineExceeded|deadline exceeded)")


# It gives the API server ten for each of the ConfigMaps that a join begins with (cmd/kubeadm/app/util/config/cluster.go).
_SLOW = re.compile(r"error execution phase preflight: unable to fetch the kubeadm-config ConfigMap: .*"
                   r"(Client\.Timeout exceeded|context deadline exceeded|TLS handshake timeout)")  # fmt: skip


# And etcd two for a connection, after which a join that has begun to write ends (cmd/kubeadm/app/util/etcd/etcd.go).
_TORN = re.compile(r"error execution phase \S*etcd\S*: .*(deadline exceeded|DeadlineExceeded|etcdserver: request timed out)")


def torn(output: str) -> bool:
    """Whether a join ended halfway because etcd was late."""
    return _TORN.search(output) is not None


def late(output: str) -> str:
    """Who did not answer in kubeadm's own time, where its preflight found nothing else wrong; "" where it was something else."""
    checks = [line for line in output.splitlines() if line.strip().startswith("[ERROR ")]
    if checks:
        return "the container runtime" if all(_LATE.search(line) for line in checks) else ""
    return "the API server" if _SLOW.search(output) else ""
