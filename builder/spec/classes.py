"""RuntimeClass objects, which a new cluster gets from its first master."""

from collections.abc import Iterable
from typing import Any

import yaml

from builder.spec.files import MANIFESTS
from builder.spec.model import RuntimeClass

CLASSES = f"{MANIFESTS}/20-runtime-classes.yaml"
"""Applied once kubeadm init has ended (LinuxKit's kubernetes project has the folder)."""


def manifest(classes: Iterable[RuntimeClass]) -> str:
    """One document for each."""
    return yaml.safe_dump_all(map(object_of, classes), sort_keys=False, explicit_start=True)


def object_of(given: RuntimeClass) -> dict[str, Any]:
    """The object as Kubernetes' API has it (node.k8s.io/v1)."""
    made: dict[str, Any] = {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": given.name}, "handler": given.handler,
    }  # fmt: skip
    if fixed := given.overhead.model_dump(exclude_none=True):
        made["overhead"] = {"podFixed": fixed}
    if given.node_selector:
        made["scheduling"] = {"nodeSelector": dict(given.node_selector)}
    return made
