"""config.json and runtime.json of a container: the YAML's entry over the image's label over the image's own settings.

Rules: ConfigToOCI and assignRuntime of LinuxKit's moby/config.go. Where they are odd, that is kept: the label's `binds.add`
and `capabilities.add` have no effect, and lists that are joined keep what occurs twice.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from builder.assembly.shapes import CONTAINER, DEVICE_RULE, MOUNT, NAMESPACES, RESOURCES, RUNTIME, Value, decode, to_json
from builder.container import CAPABILITIES, EVERY_OR_NO, RLIMITS
from builder.errors import InputError
from builder.linuxkit.model import ContainerEntry, Document
from builder.oci import LINUXKIT_LABEL, Process
from builder.reading.document import without_places

# The version of the OCI runtime specification that LinuxKit writes.
OCI_VERSION = "1.2.1"
FIRST_ID = 100
UNLIMITED = 2**64 - 1
DEFAULT_MOUNTS = (
    ("/proc", "proc", ("nosuid", "nodev", "noexec", "relatime")),
    ("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    ("/dev/pts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
    ("/sys", "sysfs", ("nosuid", "noexec", "nodev")),
    ("/sys/fs/cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)
READONLY_TOO = ("/dev", "/sys")
MOUNTPOINTS = {"proc": "/proc", "devpts": "/dev/pts", "sysfs": "/sys", "cgroup": "/sys/fs/cgroup", "mqueue": "/dev/mqueue"}
# Namespace kind in config.json, the YAML's key, and what stands for the host's where nothing is said (pid: a new one).
NAMESPACE_KINDS = (
    ("network", "net", "root"),
    ("ipc", "ipc", "root"),
    ("uts", "uts", "root"),
    ("pid", "pid", ""),
    ("user", "userns", "root"),
)


class Settings:
    """A container's settings: the YAML's value, else the label's."""

    def __init__(self, entry: Value, label: Value, where: str) -> None:
        self.entry, self.label, self.where = entry, label, where

    def get(self, key: str, default: Any) -> Any:
        """The value of a key that may be unset; an empty list is a value."""
        for source in (self.entry, self.label):
            if source[key] is not None:
                return source[key]
        return default

    def text(self, key: str, default: str = "") -> str:
        """The value of a key where empty means unset."""
        return str(self.entry[key] or self.label[key] or default)

    def extended(self, key: str) -> list[str]:
        """The YAML's list; else the label's followed by the YAML's `KEY.add`."""
        if self.entry[key] is not None:
            return list(self.entry[key])
        return [*(self.label[key] or []), *(self.entry[f"{key}.add"] or [])]

    def wrong(self, what: str) -> InputError:
        return InputError(f"{self.where}: {what}")


def identifiers(document: Document) -> dict[str, int]:
    """The user and group ids by which containers can be named, from 100 on."""
    entries = [*(document.onboot or []), *(document.onshutdown or []), *(document.services or [])]
    return {entry.name: FIRST_ID + index for index, entry in enumerate(entries)}


def numeric_id(value: int | str | None, ids: Mapping[str, int], where: str) -> int:
    """A user or group id as a number; a name is that of a container or "root"."""
    if isinstance(value, int):
        return value & 0xFFFFFFFF
    if value in (None, "", "root"):
        return 0
    if value not in ids:
        raise InputError(f"{where}: no container is named {value!r}, so it has no user id")
    return ids[str(value)]


def settings_of(entry: ContainerEntry, process: Process, volumes: Mapping[str, bool], where: str) -> Settings:
    """The entry with its image's label. `volumes` maps each volume's name to whether it is read-only."""
    decoded = decode(CONTAINER, entry.model_dump(by_alias=True, exclude_none=True), where)
    label = _label(process.labels.get(LINUXKIT_LABEL, ""), f"{where}: the label of {entry.image}")
    return Settings(_with_volumes(decoded, volumes, where), label, where)


def _label(text: str, where: str) -> Value:
    try:
        raw = yaml.safe_load(text) if text else {}
        json.dumps(
            raw, ensure_ascii=False, default=str
        ).encode()  # fails on JSON's pairs of escapes for one character: no YAML reader joins them
        plain = ContainerEntry.model_validate({**raw, "name": "label", "image": "label"})
    except ValidationError as error:
        raise InputError(f"{where} is not valid", details=tuple(without_places(error, ContainerEntry))) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise InputError(f"{where} is not valid", why=str(error)) from error
    if raw.get("name") or raw.get("image"):
        raise InputError(f"{where} sets a name or an image")
    return decode(CONTAINER, plain.model_dump(by_alias=True, exclude_none=True), where)


def _with_volumes(entry: Value, volumes: Mapping[str, bool], where: str) -> Value:
    """Names of volumes in binds become paths. In mounts they are checked, but LinuxKit leaves them as they are."""
    for mount in entry["mounts"] or []:
        if mount["type"] == "bind" and not mount["source"].startswith("/"):
            modes = [option for option in mount["options"] if option in ("rw", "ro")]
            _check_volume(mount["source"], modes[:1] == ["ro"], volumes, where)
    changed = {}
    for key in ("binds", "binds.add"):
        if entry[key] is not None:
            changed[key] = [_bind_of_volume(bind, volumes, where) for bind in entry[key]]
    return {**entry, **changed}


def _bind_of_volume(bind: str, volumes: Mapping[str, bool], where: str) -> str:
    name, *rest = bind.split(":")
    if name.startswith("/"):
        return bind
    _check_volume(name, rest[1:2] == ["ro"], volumes, where)
    return ":".join([f"/containers/volumes/{name}/merged", *rest])


def _check_volume(name: str, readonly: bool, volumes: Mapping[str, bool], where: str) -> None:
    if name not in volumes:
        raise InputError(f"{where}: there is no volume {name!r}", hint="a path on the node starts with /")
    if volumes[name] and not readonly:
        raise InputError(f"{where}: the volume {name!r} is read-only", hint="add :ro to the bind")


def config_json(settings: Settings, process: Process, ids: Mapping[str, int]) -> Value:
    """config.json, with keys in the order of the specification's Go types."""
    config: Value = {"ociVersion": OCI_VERSION, "process": _process(settings, process, ids)}
    config["root"] = _filled({"path": "rootfs", "readonly": settings.get("readonly", False)})
    return config | _filled({
        "hostname": settings.text("hostname"),
        "mounts": [to_json(MOUNT, mount) for mount in _mounts(settings)],
        "annotations": _sorted(settings.get("annotations", {})),
        "linux": _linux(settings),
    })  # fmt: skip


def _filled(values: Mapping[str, Any]) -> Value:
    """Without what encoding/json leaves out under `omitempty`."""
    return {key: value for key, value in values.items() if value or (value == 0 and not isinstance(value, bool))}


def _sorted(values: Mapping[str, str]) -> dict[str, str]:
    return {key: values[key] for key in sorted(values)}


def _process(settings: Settings, process: Process, ids: Mapping[str, int]) -> Value:
    groups = [numeric_id(group, ids, settings.where) for group in settings.get("additionalGids", [])]
    user = {key: numeric_id(settings.get(key, 0), ids, settings.where) for key in ("uid", "gid")}
    return _filled({
        "user": user | _filled({"additionalGids": groups}),
        "args": settings.get("command", [*process.entrypoint, *process.cmd]),
        "env": settings.get("env", list(process.env)),
        "cwd": settings.text("cwd", process.working_dir or "/"),
    }) | {"capabilities": _capabilities(settings)} | _filled({
        "rlimits": [_rlimit(limit, settings) for limit in settings.get("rlimits", [])],
        "noNewPrivileges": settings.get("noNewPrivileges", False),
        "oomScoreAdj": settings.get("oomScoreAdj", None),
    })  # fmt: skip


def _capabilities(settings: Settings) -> Value:
    effective = _capability_list(settings.extended("capabilities"), settings)
    ambient = _capability_list(settings.get("ambient", []), settings)
    every = sorted({*effective, *ambient})
    return _filled({"bounding": every, "effective": effective, "inheritable": every, "permitted": every, "ambient": ambient})


def _capability_list(names: list[str], settings: Settings) -> list[str]:
    if len(names) == 1 and names[0].lower() in EVERY_OR_NO:
        return list(CAPABILITIES) if names[0].lower() == "all" else []
    for name in names:
        if name not in CAPABILITIES:
            raise settings.wrong(f"there is no capability {name!r}")
    return names


def _rlimit(text: str, settings: Settings) -> Value:
    name, *bounds = (part.strip() for part in text.split(",", 2))
    name = name.upper().removeprefix("RLIMIT_")
    if name not in RLIMITS or len(bounds) != 2:
        raise settings.wrong(f"{text!r} is not NAME,SOFT,HARD with a limit that Linux has")
    soft, hard = (_limit(bound, settings) for bound in bounds)
    return {"type": f"RLIMIT_{name}", "hard": hard, "soft": soft}


def _limit(text: str, settings: Settings) -> int:
    if text.lower() == "unlimited":
        return UNLIMITED
    if not re.fullmatch("[0-9]+", text) or int(text) > UNLIMITED:
        raise settings.wrong(f"the limit {text!r} is neither a number nor `unlimited`")
    return int(text)


def _mounts(settings: Settings) -> list[Value]:
    """The default mounts, tmpfs, binds and mounts, later over earlier at the same destination, by destination."""
    readonly = ("ro",) if settings.get("readonly", False) else ()
    mounts = [
        _mount(at, kind, kind, [*options, *(readonly if at in READONLY_TOO else ())]) for at, kind, options in DEFAULT_MOUNTS
    ]
    mounts += [_tmpfs(text, settings) for text in settings.get("tmpfs", [])]
    mounts += [_bind(text, settings) for text in settings.extended("binds")]
    mounts += [_given_mount(mount, settings) for mount in settings.get("mounts", [])]
    by_destination = {mount["destination"]: mount for mount in mounts}
    return [by_destination[at] for at in sorted(by_destination)]


def _mount(destination: str, kind: str, source: str, options: list[str]) -> Value:
    return decode(MOUNT, {"destination": destination, "type": kind, "source": source, "options": options}, destination)


def _tmpfs(text: str, settings: Settings) -> Value:
    destination, *options = text.split(":")
    if len(options) > 1:
        raise settings.wrong(f"the tmpfs {text!r} is not PATH or PATH:OPTIONS")
    return _mount(destination, "tmpfs", "tmpfs", options[0].split(",") if options else [])


def _bind(text: str, settings: Settings) -> Value:
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise settings.wrong(f"the bind {text!r} is not SOURCE:DESTINATION or SOURCE:DESTINATION:OPTIONS")
    options = [*parts[2].split(","), "rbind"] if len(parts) == 3 else ["rw", "rbind", "rshared"]
    return _mount(parts[1], "bind", parts[0], options)


def _given_mount(mount: Value, settings: Settings) -> Value:
    source, destination = mount["source"], mount["destination"]
    kind = mount["type"] or (source if source in MOUNTPOINTS else "") or ("tmpfs" if destination == "/dev" else "")
    if not kind:
        raise settings.wrong(f"the mount at {destination!r} has no type")
    destination = destination or MOUNTPOINTS.get(kind, "")
    if not destination:
        raise settings.wrong(f"a mount of type {kind} has no destination")
    return _mount(destination, kind, source or kind, mount["options"])


def _linux(settings: Settings) -> Value:
    resources, devices = _devices(settings)
    mappings = {
        name: [
            {"containerID": one["containerid"], "hostID": one["hostid"], "size": one["size"]} for one in settings.get(name, [])
        ]
        for name in ("uidMappings", "gidMappings")
    }
    return _filled(mappings | {"sysctl": _sorted(settings.get("sysctl", {}))}) | {"resources": resources} | _filled({
        "cgroupsPath": settings.get("cgroupsPath", ""),
        "namespaces": _namespaces(settings),
        "devices": devices,
        "rootfsPropagation": settings.get("rootfsPropagation", ""),
        "maskedPaths": settings.get("maskedPaths", []),
        "readonlyPaths": settings.get("readonlyPaths", []),
    })  # fmt: skip


def _namespaces(settings: Settings) -> list[Value]:
    found = []
    for kind, key, default in NAMESPACE_KINDS:
        path = settings.text(key, default)
        if path not in ("host", "root"):
            fresh = path == "new" or (path == "none" and kind == "network")
            found.append({"type": kind} | _filled({"path": "" if fresh else path}))
    return [*found, {"type": "mount"}]


def _devices(settings: Settings) -> tuple[Value, list[Value]]:
    """The resources, with a rule for every device, and the devices; a device `all` is a rule for its type alone."""
    resources = dict(settings.get("resources", None) or decode(RESOURCES, {}, settings.where))
    rules, devices = list(resources["devices"]), []
    for device in settings.get("devices", []):
        rule = {"allow": True, "type": device["type"], "access": "rwm"}
        if device["path"] != "all":
            rule |= {"major": device["major"], "minor": device["minor"]}
            devices.append({key: device[key] for key in ("path", "type", "major", "minor")} | _file_mode(device, settings))
        rules.append(decode(DEVICE_RULE, rule, settings.where))
    return to_json(RESOURCES, resources | {"devices": rules}), devices


def _file_mode(device: Value, settings: Settings) -> Value:
    if not re.fullmatch("[+-]?[0-7]+", device["mode"]):
        raise settings.wrong(f"the mode {device['mode']!r} of the device {device['path']} is not octal")
    return {"fileMode": int(device["mode"], 8) & 0xFFFFFFFF}


def runtime_json(settings: Settings, root_mounts: list[Value]) -> Value:
    """runtime.json: what LinuxKit's init does around the container. The mounts that make up its root come first."""
    entry, label = ((source["runtime"] or decode(RUNTIME, {}, "runtime")) for source in (settings.entry, settings.label))
    runtime = Settings(entry, label, settings.where)
    names = Settings(entry["bindNS"], label["bindNS"], settings.where)
    mounts = [decode(MOUNT, mount, settings.where) for mount in root_mounts]
    return to_json(RUNTIME, {
        "cgroups": runtime.get("cgroups", []),
        "mounts": [*mounts, *runtime.get("mounts", [])],
        "mkdir": runtime.get("mkdir", []),
        "interfaces": runtime.get("interfaces", []),
        "bindNS": {field.key: names.get(field.key, "") for field in NAMESPACES},
        "namespace": runtime.get("namespace", ""),
    })  # fmt: skip
