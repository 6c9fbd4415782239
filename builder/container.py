"""The settings of a container as LinuxKit's YAML, an image's label and a recipe's services have them.

Keys and types: LinuxKit's schema (moby/schema.go). A key that is left out (None) falls back to the image's label.
"""

from typing import Annotated, Literal

from pydantic import Field

from builder.frozen import Frozen
from builder.reading.shapes import Shape, Unfit
from builder.reading.words import did_you_mean, shown
from builder.scalars import Flag, Whole

# capabilities(7), in the kernel's order (include/uapi/linux/capability.h of 6.12).
CAPABILITY_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN"
    " SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE"
    " MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES = tuple(f"CAP_{name}" for name in CAPABILITY_NAMES.split())
EVERY_OR_NO = ("all", "none")
RLIMITS = (
    "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
    "RTPRIO", "RTTIME",
)  # fmt: skip


def check_capability(name: str) -> None:
    if name not in CAPABILITIES and name.lower() not in EVERY_OR_NO:
        near = did_you_mean(f"CAP_{name.upper().removeprefix('CAP_')}", CAPABILITIES)
        raise Unfit(f"there is no capability {shown(name)}", near or "such as CAP_NET_ADMIN; `all` and `none` stand alone")


def check_rlimit(text: str) -> None:
    name = text.partition(",")[0].strip().upper().removeprefix("RLIMIT_")
    if name not in RLIMITS:
        raise Unfit(f"Linux has no limit {shown(name)}", did_you_mean(name, RLIMITS))


Capability = Annotated[str, Shape(r"^[A-Za-z_]+$", "a capability such as CAP_NET_ADMIN", check_capability)]
Bind = Annotated[str, Shape(r"^[^:]+:/[^:]*(:[^:]+)?$", "a bind SOURCE:/DESTINATION or SOURCE:/DESTINATION:OPTIONS")]
Tmpfs = Annotated[str, Shape(r"^/[^:]*(:[^:]+)?$", "a tmpfs /PATH or /PATH:OPTIONS")]
Variable = Annotated[str, Shape(r"^[^=\x00]+=[^\x00]*$", "a variable NAME=VALUE")]
Limit = r"[ ]*([0-9]+|[Uu][Nn][Ll][Ii][Mm][Ii][Tt][Ee][Dd])[ ]*"
Rlimit = Annotated[str, Shape(rf"^[ ]*[A-Za-z_]+[ ]*,{Limit},{Limit}$", "a limit NAME,SOFT,HARD", check_rlimit)]
DeviceMode = Annotated[str, Shape(r"^[0-7]{1,4}$", "an octal mode such as 0660, in quotes")]
Word = Annotated[str, Shape(r"^[^\x00]*$", "a text without the character U+0000")]
Id = Whole | str


class Mount(Frozen):
    destination: str | None = None
    type: str | None = None
    source: str | None = None
    options: list[str] | None = None


class Device(Frozen):
    path: str
    type: Literal["a", "b", "c", "p", "u"] | None = None
    major: Whole | None = None
    minor: Whole | None = None
    mode: DeviceMode | None = None


class IdMapping(Frozen):
    host: Whole | None = Field(None, alias="hostID")
    container: Whole | None = Field(None, alias="containerID")
    size: Whole | None = None


class DeviceRule(Frozen):
    allow: Flag | None = None
    type: str | None = None
    major: Whole | None = None
    minor: Whole | None = None
    access: str | None = None


class Memory(Frozen):
    limit: Whole | None = None
    reservation: Whole | None = None
    swap: Whole | None = None
    kernel: Whole | None = None
    kernel_tcp: Whole | None = Field(None, alias="kernelTCP")
    swappiness: Whole | None = None
    disable_oom_killer: Flag | None = Field(None, alias="disableOOMKiller")


class Cpu(Frozen):
    shares: Whole | None = None
    quota: Whole | None = None
    period: Whole | None = None
    realtime_runtime: Whole | None = Field(None, alias="realtimeRuntime")
    realtime_period: Whole | None = Field(None, alias="realtimePeriod")
    cpus: str | None = None
    mems: str | None = None


class Pids(Frozen):
    limit: Whole | None = None


class WeightDevice(Frozen):
    major: Whole | None = None
    minor: Whole | None = None
    weight: Whole | None = None
    leaf_weight: Whole | None = Field(None, alias="leafWeight")


class ThrottleDevice(Frozen):
    major: Whole | None = None
    minor: Whole | None = None
    rate: Whole | None = None


class BlockIo(Frozen):
    weight: Whole | None = None
    leaf_weight: Whole | None = Field(None, alias="leafWeight")
    weight_device: list[WeightDevice] | None = Field(None, alias="weightDevice")
    read_bps: list[ThrottleDevice] | None = Field(None, alias="throttleReadBpsDevice")
    write_bps: list[ThrottleDevice] | None = Field(None, alias="throttleWriteBpsDevice")
    read_iops: list[ThrottleDevice] | None = Field(None, alias="throttleReadIOPSDevice")
    write_iops: list[ThrottleDevice] | None = Field(None, alias="throttleWriteIOPSDevice")


class HugepageLimit(Frozen):
    page_size: Whole | None = Field(None, alias="pageSize")
    limit: Whole | None = None


class Priority(Frozen):
    name: str | None = None
    priority: Whole | None = None


class NetworkResources(Frozen):
    class_id: Whole | None = Field(None, alias="classID")
    priorities: list[Priority] | None = None


class Resources(Frozen):
    devices: list[DeviceRule] | None = None
    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    blockio: BlockIo | None = None
    hugepage_limits: list[HugepageLimit] | None = Field(None, alias="hugepageLimits")
    network: NetworkResources | None = None


class Interface(Frozen):
    name: str | None = None
    add: str | None = None
    peer: str | None = None
    create_in_root: Flag | None = Field(None, alias="createInRoot")


class Namespaces(Frozen):
    cgroup: str | None = None
    ipc: str | None = None
    mnt: str | None = None
    net: str | None = None
    pid: str | None = None
    user: str | None = None
    uts: str | None = None


class Runtime(Frozen):
    """What LinuxKit's init does around the container."""

    cgroups: list[str] | None = None
    mounts: list[Mount] | None = None
    mkdir: list[str] | None = None
    interfaces: list[Interface] | None = None
    bind_ns: Namespaces | None = Field(None, alias="bindNS")
    namespace: str | None = None


class Settings(Frozen):
    """The keys of an image entry in a LinuxKit YAML, without its name and its image."""

    capabilities: list[Capability] | None = None
    capabilities_add: list[Capability] | None = Field(None, alias="capabilities.add")
    ambient: list[Capability] | None = None
    mounts: list[Mount] | None = None
    binds: list[Bind] | None = None
    binds_add: list[Bind] | None = Field(None, alias="binds.add")
    devices: list[Device] | None = None
    tmpfs: list[Tmpfs] | None = None
    command: list[Word] | None = None
    env: list[Variable] | None = None
    cwd: str | None = None
    net: str | None = None
    pid: str | None = None
    ipc: str | None = None
    uts: str | None = None
    userns: str | None = None
    hostname: str | None = None
    readonly: Flag | None = None
    masked_paths: list[str] | None = Field(None, alias="maskedPaths")
    readonly_paths: list[str] | None = Field(None, alias="readonlyPaths")
    uid: Id | None = None
    gid: Id | None = None
    additional_gids: list[Id] | None = Field(None, alias="additionalGids")
    no_new_privileges: Flag | None = Field(None, alias="noNewPrivileges")
    oom_score_adj: Whole | None = Field(None, alias="oomScoreAdj")
    rootfs_propagation: str | None = Field(None, alias="rootfsPropagation")
    cgroups_path: str | None = Field(None, alias="cgroupsPath")
    resources: Resources | None = None
    sysctl: dict[str, str] | None = None
    rlimits: list[Rlimit] | None = None
    uid_mappings: list[IdMapping] | None = Field(None, alias="uidMappings")
    gid_mappings: list[IdMapping] | None = Field(None, alias="gidMappings")
    annotations: dict[str, str] | None = None
    runtime: Runtime | None = None

    def plain(self) -> dict[str, object]:
        """The settings that are given, by the keys of the YAML."""
        return self.model_dump(by_alias=True, exclude_none=True)
