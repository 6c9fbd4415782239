"""The Go structs that LinuxKit reads from its YAML and writes as JSON and YAML, as tables.

Field order is the order in the written JSON. Sources: LinuxKit's moby/config.go and moby/schema.go, and the OCI runtime
specification's Go types (specs-go v1.2.1). A struct without YAML tags is read by its lower-case field names, while LinuxKit's
schema demands the names of the JSON form: a key where the two differ is accepted and has no effect.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from builder.assembly.goyaml import in_key_order
from builder.errors import InputError
from builder.progress import warn

Value = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A field of a Go struct.

    key: its name in YAML. json: its name in JSON, where that is another. zero: its zero value; None is a nil pointer.
    shape: the fields of the struct that it, or each item of its list, is. omit, omit_yaml: whether the zero value is left
    out of JSON and YAML. schema: the key of LinuxKit's schema where the decoder reads another; None where it has no key.
    """

    key: str
    json: str = ""
    zero: Any = ""
    shape: "tuple[Field, ...]" = ()
    omit: bool = True
    omit_yaml: bool = False
    schema: str | None = ""

    def is_zero(self, value: Any) -> bool:
        return value is None if self.zero is None else not value


Shape = tuple[Field, ...]


def decode(shape: Shape, raw: Mapping[str, Any], where: str) -> Value:
    """What LinuxKit's decoder makes of a mapping: every field, by its YAML key. Raises InputError for an unknown key."""
    known = {field.schema or field.key for field in shape if field.schema is not None}
    if unknown := sorted(set(raw) - known):
        hint = "the keys are: " + ", ".join(sorted(known))
        raise InputError(f"{where}: LinuxKit knows no key {', '.join(unknown)}", hint=hint)
    for field in shape:
        if field.schema and raw.get(field.schema):
            warn(f"{where}.{field.schema}: LinuxKit accepts this key, but it has no effect")
    return {field.key: _decode_field(field, raw, where) for field in shape}


def _decode_field(field: Field, raw: Mapping[str, Any], where: str) -> Any:
    value = None if field.schema != "" else raw.get(field.key)
    inside = f"{where}.{field.key}"
    if value is None:
        return decode(field.shape, {}, inside) if field.zero == {} and field.shape else deepcopy(field.zero)
    if field.shape and isinstance(value, list):
        return [decode(field.shape, item, f"{inside}[{index}]") for index, item in enumerate(value)]
    return decode(field.shape, value, inside) if field.shape else value


def to_json(shape: Shape, value: Mapping[str, Any]) -> Value:
    """The struct as encoding/json writes it."""
    kept = (field for field in shape if not (field.omit and field.is_zero(value[field.key])))
    return {field.json or field.key: _nested(to_json, field, value[field.key]) for field in kept}


def to_yaml(shape: Shape, value: Mapping[str, Any]) -> Value:
    """The struct as yaml.v2 writes it."""
    out: Value = {}
    for field in shape:
        inner = _nested(to_yaml, field, value[field.key])
        empty = not inner if field.zero == {} else field.is_zero(inner)
        if not (field.omit_yaml and empty):
            out[field.key] = inner
    return out


def _nested(convert: Callable[[Shape, Mapping[str, Any]], Value], field: Field, value: Any) -> Any:
    if isinstance(value, dict) and not field.shape:
        return {key: value[key] for key in (in_key_order(list(value)) if convert is to_yaml else sorted(value))}
    if not field.shape or value is None:
        return value
    return [convert(field.shape, item) for item in value] if isinstance(value, list) else convert(field.shape, value)


def _pointers(*keys: str, shape: Shape = ()) -> Shape:
    """Fields that are left out where they are not set."""
    return tuple(Field(key, zero=None, omit_yaml=True, shape=shape) for key in keys)


def _texts(*keys: str) -> Shape:
    """Strings that are left out where they are empty."""
    return tuple(Field(key, omit_yaml=True) for key in keys)


ID_MAPPING: Shape = (
    Field("containerid", "containerID", 0, omit=False, schema="containerID"),
    Field("hostid", "hostID", 0, omit=False, schema="hostID"),
    Field("size", zero=0, omit=False),
)
MOUNT: Shape = (
    Field("destination", omit=False),
    Field("type"),
    Field("source"),
    Field("options", zero=[]),
    Field("uidmappings", "uidMappings", [], ID_MAPPING),
    Field("gidmappings", "gidMappings", [], ID_MAPPING),
)
DEVICE: Shape = (
    Field("path", omit=False),
    Field("type", omit=False),
    Field("major", zero=0, omit=False),
    Field("minor", zero=0, omit=False),
    Field("mode", omit_yaml=True),
)
DEVICE_RULE: Shape = (
    Field("allow", zero=False, omit=False),
    Field("type"),
    Field("major", zero=None),
    Field("minor", zero=None),
    Field("access"),
)
MEMORY: Shape = (
    *(Field(key, zero=None) for key in ("limit", "reservation", "swap", "kernel")),
    Field("kerneltcp", "kernelTCP", None, schema="kernelTCP"),
    Field("swappiness", zero=None),
    Field("disableoomkiller", "disableOOMKiller", None, schema="disableOOMKiller"),
    Field("usehierarchy", "useHierarchy", None, schema=None),
    Field("checkbeforeupdate", "checkBeforeUpdate", None, schema=None),
)
CPU: Shape = (
    Field("shares", zero=None),
    Field("quota", zero=None),
    Field("burst", zero=None, schema=None),
    Field("period", zero=None),
    Field("realtimeruntime", "realtimeRuntime", None, schema="realtimeRuntime"),
    Field("realtimeperiod", "realtimePeriod", None, schema="realtimePeriod"),
    Field("cpus"),
    Field("mems"),
    Field("idle", zero=None, schema=None),
)
BLOCK_IO: Shape = (
    Field("weight", zero=None),
    Field("leafweight", "leafWeight", None, schema="leafWeight"),
    Field("weightdevice", "weightDevice", [], schema="weightDevice"),
    Field("throttlereadbpsdevice", "throttleReadBpsDevice", [], schema="throttleReadBpsDevice"),
    Field("throttlewritebpsdevice", "throttleWriteBpsDevice", [], schema="throttleWriteBpsDevice"),
    Field("throttlereadiopsdevice", "throttleReadIOPSDevice", [], schema="throttleReadIOPSDevice"),
    Field("throttlewriteiopsdevice", "throttleWriteIOPSDevice", [], schema="throttleWriteIOPSDevice"),
)
NETWORK: Shape = (
    Field("classid", "classID", None, schema="classID"),
    Field("priorities", zero=[], shape=(Field("name", omit=False), Field("priority", zero=0, omit=False))),
)
RESOURCES: Shape = (
    Field("devices", zero=[], shape=DEVICE_RULE),
    Field("memory", zero=None, shape=MEMORY),
    Field("cpu", zero=None, shape=CPU),
    Field("pids", zero=None, shape=(Field("limit", zero=0, omit=False),)),
    Field("blockio", "blockIO", None, BLOCK_IO),
    Field("hugepagelimits", "hugepageLimits", [], schema="hugepageLimits"),
    Field("network", zero=None, shape=NETWORK),
    Field("rdma", zero={}, schema=None),
    Field("unified", zero={}, schema=None),
)
INTERFACE: Shape = (*_texts("name", "add", "peer"), Field("createInRoot", zero=False, omit=False))
NAMESPACES: Shape = _pointers("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
RUNTIME: Shape = (
    *_pointers("cgroups"),
    *_pointers("mounts", shape=MOUNT),
    *_pointers("mkdir"),
    *_pointers("interfaces", shape=INTERFACE),
    Field("bindNS", zero={}, shape=NAMESPACES, omit=False, omit_yaml=True),
    *_pointers("namespace"),
)
CONTAINER: Shape = (
    Field("name", omit=False),
    Field("image", omit=False),
    *_pointers("capabilities", "capabilities.add", "ambient"),
    *_pointers("mounts", shape=MOUNT),
    *_pointers("binds", "binds.add"),
    *_pointers("devices", shape=DEVICE),
    *_pointers("tmpfs", "command", "env"),
    *_texts("cwd", "net", "pid", "ipc", "uts", "userns", "hostname"),
    *_pointers("readonly", "maskedPaths", "readonlyPaths", "uid", "gid", "additionalGids", "noNewPrivileges"),
    *_pointers("oomScoreAdj", "rootfsPropagation", "cgroupsPath"),
    *_pointers("resources", shape=RESOURCES),
    *_pointers("sysctl", "rlimits"),
    *_pointers("uidMappings", "gidMappings", shape=ID_MAPPING),
    *_pointers("annotations"),
    *_pointers("runtime", shape=RUNTIME),
)
KERNEL: Shape = (Field("image", omit=False), *_texts("cmdline", "binary"), *_pointers("tar", "ucode"))
FILE: Shape = (
    Field("path", omit=False),
    Field("directory", zero=False, omit=False),
    *_texts("symlink"),
    *_pointers("contents"),
    *_texts("source", "metadata"),
    Field("optional", zero=False, omit=False),
    *_texts("mode"),
    *_pointers("uid", "gid"),
)
VOLUME: Shape = (
    Field("name", omit=False),
    *_texts("image"),
    Field("readonly", zero=False, omit_yaml=True),
    *_texts("format"),
    Field("platforms", zero=[], omit_yaml=True),
)
