"""What the author of a recipe asked for. The same models check a recipe and give its JSON schema."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Role(StrEnum):
    """What a node does in the cluster."""

    MASTER = "master"
    WORKER = "worker"


class Strict(BaseModel):
    """Unknown keys are mistakes; a loaded recipe never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Subnet = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$", examples=["10.244.0.0/16"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Kubernetes(Strict):
    version: str = Field("1.36.3", pattern=r"^1\.\d+\.\d+$", description="Kubernetes version, without a leading v")


class Network(Strict):
    cni: Name = Field("bridge", description="a description in networks/")
    pod_subnet: Subnet = Field("10.244.0.0/16", description="addresses of pods")
    service_subnet: Subnet = Field("10.96.0.0/12", description="addresses of Services")
    domain: str = Field("cluster.local", description="the cluster's DNS domain")
    proxy_mode: Literal["nftables", "iptables"] = Field("nftables", description="kube-proxy's mode")


class Kernel(Strict):
    arguments: tuple[str, ...] = Field((), description="further kernel arguments, after the builder's own")
    console: tuple[str, ...] = Field(("tty0", "ttyS0,115200n8"), description="consoles; the last one shows the node's stages")


class Ssh(Strict):
    authorized_keys: tuple[str, ...] = Field((), description="public keys for root; with none there is no SSH server")


class File(Strict):
    """A file, directory or symbolic link in the node's root; exactly one of contents, source, symlink, directory."""

    path: str = Field(pattern=r"^/?[^/].*$", description="absolute path on the node")
    contents: str | None = None
    source: str | None = Field(None, description="a file on the build machine, relative to the recipe")
    symlink: str | None = None
    directory: bool = False
    mode: str = Field("0644", pattern=r"^0?[0-7]{3,4}$", description="octal")


class Service(Strict):
    """A further LinuxKit service; `linuxkit` takes any key of a LinuxKit image entry (binds, capabilities, net, ...)."""

    name: Name
    image: str = Field(description="a folder of pkg/, or a full image reference with a digest that is in the store")
    linuxkit: dict[str, object] = Field({}, description="keys of a LinuxKit image entry")


class Recipe(Strict):
    """A node image."""

    runtime: Name = Field(description="a description in runtimes/")
    kubernetes: Kubernetes = Kubernetes()
    network: Network = Network()
    roles: tuple[Role, ...] = Field((Role.MASTER, Role.WORKER), min_length=1)
    kernel: Kernel = Kernel()
    ssh: Ssh = Ssh()
    files: tuple[File, ...] = ()
    services: tuple[Service, ...] = ()
    replace: dict[str, str] = Field({}, description="image of ours (init, runc, kernel, getty, ...) -> image in its place")
