"""LinuxKit's YAML as types: every key that its schema knows (moby/schema.go) and no other."""

import re
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field


class Dumper(yaml.SafeDumper):
    """Also quotes the strings that only Go's YAML readers take for numbers."""


Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(\.[0-9_]+|[0-9_]+(\.[0-9_]*)?)([eE][-+]?[0-9_]+)?)$", re.ASCII
    ),
    list("-+.0123456789"),
)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Kernel(Section):
    image: str
    cmdline: str = ""
    binary: str | None = None
    tar: str | None = None
    ucode: str | None = None


class ContainerEntry(Section):
    """One entry of onboot, onshutdown or services. A key left out (None) falls back to the image's label."""

    name: str
    image: str
    capabilities: list[str] | None = None
    capabilities_add: list[str] | None = Field(None, alias="capabilities.add")
    ambient: list[str] | None = None
    mounts: list[dict[str, Any]] | None = None
    binds: list[str] | None = None
    binds_add: list[str] | None = Field(None, alias="binds.add")
    devices: list[dict[str, Any]] | None = None
    tmpfs: list[str] | None = None
    command: list[str] | None = None
    env: list[str] | None = None
    cwd: str | None = None
    net: str | None = None
    pid: str | None = None
    ipc: str | None = None
    uts: str | None = None
    userns: str | None = None
    hostname: str | None = None
    readonly: bool | None = None
    masked_paths: list[str] | None = Field(None, alias="maskedPaths")
    readonly_paths: list[str] | None = Field(None, alias="readonlyPaths")
    uid: int | str | None = None
    gid: int | str | None = None
    additional_gids: list[int | str] | None = Field(None, alias="additionalGids")
    no_new_privileges: bool | None = Field(None, alias="noNewPrivileges")
    oom_score_adj: int | None = Field(None, alias="oomScoreAdj")
    rootfs_propagation: str | None = Field(None, alias="rootfsPropagation")
    cgroups_path: str | None = Field(None, alias="cgroupsPath")
    resources: dict[str, Any] | None = None
    sysctl: dict[str, str] | None = None
    rlimits: list[str] | None = None
    uid_mappings: list[dict[str, int]] | None = Field(None, alias="uidMappings")
    gid_mappings: list[dict[str, int]] | None = Field(None, alias="gidMappings")
    annotations: dict[str, str] | None = None
    runtime: dict[str, Any] | None = None


class File(Section):
    path: str
    directory: bool | None = None
    symlink: str | None = None
    contents: str | None = None
    source: str | None = None
    metadata: Literal["yaml", "json"] | None = None
    optional: bool | None = None
    mode: str | None = None
    uid: int | str | None = None
    gid: int | str | None = None


class Volume(Section):
    name: str
    image: str | None = None
    readonly: bool | None = None
    format: Literal["oci", "filesystem"] | None = None
    platforms: list[str] | None = None


class Document(Section):
    """A whole LinuxKit YAML."""

    kernel: Kernel
    init: list[str] = []
    volumes: list[Volume] | None = None
    onboot: list[ContainerEntry] | None = None
    onshutdown: list[ContainerEntry] | None = None
    services: list[ContainerEntry] | None = None
    files: list[File] | None = None

    def references(self) -> list[str]:
        """Every image reference, each once, in order of first use."""
        entries = [*(self.onboot or []), *(self.onshutdown or []), *(self.services or [])]
        volumes = [volume.image for volume in self.volumes or [] if volume.image]
        return list(dict.fromkeys([self.kernel.image, *self.init, *volumes, *(entry.image for entry in entries)]))

    def to_yaml(self) -> str:
        plain = self.model_dump(by_alias=True, exclude_none=True)
        text: str = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=4096)
        return text

    @classmethod
    def from_yaml(cls, text: str) -> "Document":
        return cls.model_validate(yaml.safe_load(text))
