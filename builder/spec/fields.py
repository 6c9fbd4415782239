"""Fields of Kubernetes' own configurations that a recipe sets: which there are, and how they go together with ours.

pkg/kubernetes/MINOR/fields.json has them as a JSON schema, made from that version's Go types (pkg/kubernetes/fields/main.go).
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from builder.project import Project
from builder.reading.mistake import Place
from builder.reading.words import kind_of, one_of, shown
from builder.spec.versions import minor

FILE = "fields.json"

Fault = tuple[Place, str, str, bool]
"""Where, what is wrong, the way out, and whether it is the key that is wrong."""

DURATION = re.compile(r"[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*)")
"""time.ParseDuration of Go."""
QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
"""k8s.io/apimachinery/pkg/api/resource, quantity.go."""
FORMS = {"duration": (DURATION, "a duration such as 1m30s"), "quantity": (QUANTITY, "a quantity such as 500Mi")}

TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"), "integer": ((int,), "a whole number"), "number": ((int, float), "a number"),
    "string": ((str,), "a text"), "array": ((list,), "a list"), "object": ((dict,), "a group of keys"),
}  # fmt: skip

OURS: Mapping[tuple[str, ...], str] = {
    ("ClusterConfiguration", "kubernetesVersion"): "kubernetes: {version: ...}",
    ("ClusterConfiguration", "networking", "podSubnet"): "network: {pod_subnet: ...}",
    ("ClusterConfiguration", "networking", "serviceSubnet"): "network: {service_subnet: ...}",
    ("ClusterConfiguration", "networking", "dnsDomain"): "network: {domain: ...}",
    ("ClusterConfiguration", "certificatesDir"): "leave it out: the node's own programs look for them in /etc/kubernetes/pki",
    ("ClusterConfiguration", "imageRepository"): "leave it out: the images lie in the node",
    ("ClusterConfiguration", "etcd", "local", "dataDir"): "leave it out: the state disk has it in /var/lib/etcd",
    ("InitConfiguration", "nodeRegistration", "criSocket"): "the runtime's description has it",
    ("JoinConfiguration", "nodeRegistration", "criSocket"): "the runtime's description has it",
    ("JoinConfiguration", "discovery"): "each node's metadata has it",
    ("JoinConfiguration", "controlPlane"): "each node's metadata has it",
    ("KubeletConfiguration", "cgroupDriver"): "the runtime's description has it",
    ("KubeletConfiguration", "clusterDomain"): "network: {domain: ...}",
    ("KubeletConfiguration", "staticPodPath"): "leave it out: kubeadm and the node look in /etc/kubernetes/manifests",
    ("KubeProxyConfiguration", "mode"): "network: {proxy_mode: ...}",
    ("KubeProxyConfiguration", "clusterCIDR"): "network: {pod_subnet: ...}",
}
"""What is decided elsewhere, and where."""


def known(project: Project, version: str) -> Mapping[str, Any] | None:
    """The types of that version's configurations by name; None where its pins don't tell them."""
    path = project.pkg / "kubernetes" / minor(version) / FILE
    return _read(path) if path.is_file() else None


@cache
def _read(path: Path) -> Mapping[str, Any]:
    types: Mapping[str, Any] = json.loads(path.read_text())["$defs"]
    return types


def faults(types: Mapping[str, Any], kind: str, value: object) -> Iterator[Fault]:
    """Everything wrong with a configuration of that kind, such as KubeletConfiguration."""
    if kind not in types:
        yield (), f"Kubernetes has no {kind}", one_of(kind, [name for name in types if name.endswith("Configuration")]), True
        return
    yield from _faults(types, {"$ref": f"#/$defs/{kind}"}, value, ())
    for path, instead in OURS.items():
        if path[0] == kind and _has(value, path[1:]):
            yield path[1:], "is decided elsewhere", instead, True


def _has(value: object, path: tuple[str, ...]) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _faults(types: Mapping[str, Any], schema: Mapping[str, Any], value: object, path: Place) -> Iterator[Fault]:
    if "$ref" in schema:
        schema = types[str(schema["$ref"]).rpartition("/")[2]]
    wanted = schema.get("type", [])
    if wrong := _wrong_type([wanted] if isinstance(wanted, str) else wanted, value):
        yield path, wrong, "", False
    elif isinstance(value, dict):
        yield from _of_group(types, schema, value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(types, schema.get("items", {}), item, (*path, index))
    elif isinstance(value, str) and (form := FORMS.get(schema.get("format", ""))) and not form[0].fullmatch(value):
        yield path, f"expected {form[1]}, got {shown(value)}", "", False


def _of_group(types: Mapping[str, Any], schema: Mapping[str, Any], value: dict[str, Any], path: Place) -> Iterator[Fault]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for key, item in value.items():
        if key in ("apiVersion", "kind") and not path:
            yield (key,), "is decided elsewhere", "leave it out: the version of Kubernetes says it", True
        elif key in properties:
            yield from _faults(types, properties[key], item, (*path, key))
        elif others is False:
            yield (*path, key), "unknown key", one_of(key, properties.keys() - {"apiVersion", "kind"}), True
        else:
            yield from _faults(types, others, item, (*path, key))


def _wrong_type(wanted: list[str], value: object) -> str:
    """Why a value is of none of the wanted types; "" where it is, or where anything may stand."""
    fitting = any(isinstance(value, TYPES[each][0]) and (each == "boolean" or not isinstance(value, bool)) for each in wanted)
    if fitting or not wanted:
        return ""
    return f"expected {' or '.join(TYPES[each][1] for each in wanted)}, got {kind_of(value)}"


def merged(ours: Any, given: Any) -> Any:
    """Ours with what the recipe gives: groups key by key, lists one after the other; of entries of one name the recipe's."""
    if isinstance(ours, dict) and isinstance(given, dict):
        return {**ours, **{key: merged(ours[key], value) if key in ours else value for key, value in given.items()}}
    if isinstance(ours, list) and isinstance(given, list):
        named = {item["name"] for item in given if isinstance(item, dict) and "name" in item}
        kept = [item for item in ours if not (isinstance(item, dict) and item.get("name") in named) and item not in given]
        return [*kept, *given]
    return given
