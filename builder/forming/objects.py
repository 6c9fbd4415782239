"""What Kubernetes' objects tell of themselves, in the forms of the API (Kubernetes' API reference, v1 and apps/v1)."""

from collections.abc import Iterator
from typing import Any

from builder.checks import NotYet

Object = dict[str, Any]

# Of a Deployment's and of a DaemonSet's status: how many there are to be, and what counts those that are so.
_COUNTS = {
    "Deployment": ("replicas", ("updatedReplicas", "readyReplicas", "availableReplicas")),
    "DaemonSet": ("desiredNumberScheduled", ("updatedNumberScheduled", "numberReady", "numberAvailable")),
}


def condition(item: Object, kind: str) -> Object:
    """The object's condition of that type, or an empty one."""
    conditions = item.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def is_true(item: Object, kind: str) -> bool:
    return bool(condition(item, kind).get("status") == "True")


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def is_going(item: Object) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in item["metadata"]


def pressure(node: Object) -> str:
    """What a node is short of, in its kubelet's words, such as "DiskPressure: kubelet has disk pressure"; empty while nothing."""
    told = node.get("status", {}).get("conditions") or []
    return "; ".join(f"{c['type']}: {c.get('message')}" for c in told if c["type"].endswith("Pressure") and c["status"] == "True")


def pod_reason(pod: Object) -> str:
    """Why a pod is not Ready, in the words of its containers, of the kubelet that threw it out, or of the scheduler."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        for state in ("waiting", "terminated"):
            if state in status.get("state", {}):
                return f"{name_of(pod)}: {status['state'][state].get('reason', state)}"
    status = pod.get("status", {})
    told = status.get("message") or condition(pod, "PodScheduled").get("message") or condition(pod, "Ready").get("reason")
    return f"{name_of(pod)}: {told or status.get('phase', 'unknown')}"


def demand_ready(pod: Object) -> None:
    """NotYet unless the pod is Ready and stays."""
    if is_going(pod):
        raise NotYet(f"{name_of(pod)} is being deleted")
    if not is_true(pod, "Ready"):
        raise NotYet(pod_reason(pod))


def containers_of(pod: Object) -> Iterator[str]:
    """The ids of the pod's containers that run; a container that is started again has another one."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if identity := status.get("containerID"):
            yield str(identity)


def rolled_out(item: Object, wanted: int | None = None) -> str:
    """The proof that a Deployment or DaemonSet is at its desired count; NotYet otherwise.

    wanted: that count, where it is known; at the least one. What its controller has not looked at yet proves nothing.
    """
    total, counts = _COUNTS[item["kind"]]
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        raise NotYet(f"{name_of(item)}: its controller has not seen its last change")
    desired = item["spec"].get("replicas", 0) if item["kind"] == "Deployment" else status.get(total, 0)
    if not desired or desired != (wanted or desired):
        raise NotYet(f"{name_of(item)}: {desired} desired, wanted {wanted or 'at least one'}")
    told = {name: status.get(name, 0) for name in (total, *counts)}
    if any(count != desired for count in told.values()):
        raise NotYet(f"{name_of(item)}: {status.get(counts[1], 0)} of {desired} ready ({told})")
    return f"{desired} of {desired} ready"
