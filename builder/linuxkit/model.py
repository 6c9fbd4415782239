"""LinuxKit's YAML as types: every key that its schema knows (moby/schema.go) and no other."""

import re
from typing import Any, Literal

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from builder.container import Id, Settings
from builder.frozen import Frozen
from builder.reading.document import parse
from builder.reading.source import Kind
from builder.scalars import Flag

KIND = Kind("LinuxKit YAML", "kernel:")


class Dumper(yaml.SafeDumper):
    """Also quotes the strings that only Go's YAML readers take for numbers."""


Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(\.[0-9_]+|[0-9_]+(\.[0-9_]*)?)([eE][-+]?[0-9_]+)?)$", re.ASCII
    ),
    list("-+.0123456789"),
)


class Kernel(Frozen):
    image: str
    cmdline: str = ""
    binary: str | None = None
    tar: str | None = None
    ucode: str | None = None


class ContainerEntry(Settings):
    """One entry of onboot, onshutdown or services."""

    name: str
    image: str

    @model_serializer(mode="wrap")
    def _name_first(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        made = dump(self)
        return {"name": made.pop("name"), "image": made.pop("image"), **made}


class File(Frozen):
    path: str
    directory: Flag | None = None
    symlink: str | None = None
    contents: str | None = None
    source: str | None = None
    metadata: Literal["yaml", "json"] | None = None
    optional: Flag | None = None
    mode: str | None = None
    uid: Id | None = None
    gid: Id | None = None


class Volume(Frozen):
    name: str
    image: str | None = None
    readonly: Flag | None = None
    format: Literal["oci", "filesystem"] | None = None
    platforms: list[str] | None = None


class Trust(Frozen):
    """Whose signatures LinuxKit once asked for. It takes the key to this day, and it has no effect."""

    image: list[str] | None = None
    org: list[str] | None = None


class Document(Frozen):
    """A whole LinuxKit YAML."""

    kernel: Kernel
    init: list[str] = []
    volumes: list[Volume] | None = None
    onboot: list[ContainerEntry] | None = None
    onshutdown: list[ContainerEntry] | None = None
    services: list[ContainerEntry] | None = None
    files: list[File] | None = None
    trust: Trust | None = Field(None, exclude=True)

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
    def from_yaml(cls, text: str, name: str = "the LinuxKit YAML") -> "Document":
        """Reads what LinuxKit reads: anchors and merge keys too. Raises InputError with every mistake and its place."""
        return parse(text, cls, KIND, name)
