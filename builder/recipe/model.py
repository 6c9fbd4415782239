"""What the author of a recipe asked for. The same models check a recipe and give its JSON schema.

A field says all that can be said of its own value; what needs two fields, or the files beside the recipe, is in rules.py.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from builder.architecture import AMD64, PLATFORMS
from builder.container import Settings
from builder.frozen import Frozen
from builder.reading.shapes import Shape
from builder.recipe.access import Ssh, User
from builder.recipe.texts import (
    check_address,
    check_certificates,
    check_path,
    check_private_key,
    check_subnet,
    check_zone,
)
from builder.scalars import Flag
from builder.timeserver import TimeServer


class Role(StrEnum):
    """What a node does in the cluster."""

    MASTER = "master"
    WORKER = "worker"


# The node mounts file systems of its own over these (LinuxKit's init); a file below them would not be seen.
MOUNTED_OVER = {"dev", "proc", "run", "sys", "tmp", "var"}

LONGEST_TEXT = 1 << 20
"""Bytes of a file that goes into the LinuxKit YAML; a longer one is a file of an image."""

PART = r"[^/\x00-\x1f\x7f]"
LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

# The boot loader can't hand on ' and \ (media/grub.py).
ARGUMENT = r'^([!#-&(-[\]-~]|"[ !#-&(-[\]-~]*")+$'

Text = Annotated[str, Shape(r"^(?!\s*$)[\s\S]*$", "a text that is not empty")]
Name = Annotated[str, Shape(rf"^{LABEL}$", "a name of lower-case letters, digits and dashes", longest=63)]
Version = Annotated[
    str, Shape(r"^1(\.(0|[1-9][0-9]*)){1,2}$", "a version without a leading v, such as 1.36.3, or its minor, 1.36")
]
Subnet = Annotated[str, Shape(r"^[0-9]+(\.[0-9]+){3}/[0-9]+$", "an IPv4 subnet such as 10.244.0.0/16", check_subnet)]
Domain = Annotated[str, Shape(rf"^{LABEL}(\.{LABEL})*$", "a DNS domain such as cluster.local", longest=253)]
Argument = Annotated[str, Shape(ARGUMENT, "one kernel argument without spaces, ' and \\ (one entry for each)")]
Console = Annotated[str, Shape(r"^[A-Za-z]+[0-9]*(,[0-9]+[noe]?[0-9]?r?)?$", "a console such as tty0 or ttyS0,115200n8")]
Server = Annotated[
    str, Shape(r"^\S+$", "a name or an address, with :PORT where it is not 123 and IPv6 in [ ]", TimeServer.parse, longest=300)
]
Zone = Annotated[str, Shape(r"^[A-Za-z0-9_+/-]+$", "a time zone such as Europe/Berlin", check_zone, longest=64)]
Mode = Annotated[str, Shape(r"^0?[0-7]{3,4}$", "an octal mode such as 0644, in quotes")]
NodePath = Annotated[
    str,
    Shape(
        rf"^/?(?!\.{{1,2}}(/|$)){PART}+(/(?!\.{{1,2}}(/|$)){PART}+)*$",
        "an absolute path without . or .. or control characters", check_path, longest=4095,
    ),
]  # fmt: skip
DiskLabel = Annotated[str, Shape(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "a label of letters, digits, dots, _ and dashes", longest=16)]
DiskPath = Annotated[
    str, Shape(r"^/dev/[a-z][A-Za-z0-9_-]*$", "a disk such as /dev/sdb or /dev/nvme0n1 (a node has no /dev/disk/by-...)")
]
DiskSize = Annotated[str, Shape(r"^[1-9][0-9]{0,6}(Mi|Gi|Ti)$", "a size such as 20Gi")]
Sysctl = Annotated[str, Shape(r"^[a-z0-9_]+([./][A-Za-z0-9_@:-]+)+$", "a key of /proc/sys such as net.core.somaxconn")]
Setting = Annotated[str, Shape(r"^[^\r\n]*\S[^\r\n]*$", "one line of text, in quotes")]
PageSize = Annotated[str, Shape(r"^(2Mi|1Gi)$", "a size of huge pages of x86-64, 2Mi or 1Gi")]
Module = Annotated[str, Shape(r"^[a-zA-Z0-9_-]+$", "a kernel module's name such as nf_conntrack")]
Parameters = Annotated[str, Shape(r"^([\w.-]+(=\S+)?( +[\w.-]+(=\S+)?)*)?$", "parameters such as hashsize=131072, or ''")]
Registry = Annotated[
    str,
    Shape(
        rf"^{LABEL}(\.{LABEL})*(:[1-9][0-9]*)?$", "a registry's host as images name it, such as docker.io or r.example.org:5000"
    ),
]
Address = Annotated[
    str, Shape(rf"^https?://{LABEL}(\.{LABEL})*(:[1-9][0-9]*)?(/[\w./-]*\w)?$", "an address such as https://mirror.example.org")
]
ProxyAddress = Annotated[
    str,
    Shape(
        r"^(https?|socks5h?)://([\w.~%!*+,=-]+(:[\w.~%!*+,=-]*)?@)?([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?/?$",
        "a proxy such as http://proxy.example.org:3128 (what a password has of other signs, as %40 and the like)",
    ),
]
Resolver = Annotated[str, Shape(r"^[0-9A-Fa-f:.]+$", "an address such as 192.0.2.53 or 2001:db8::53", check_address, longest=45)]
LogTarget = Annotated[
    str,
    Shape(
        r"^tcp://([\w.-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$",
        "an address such as tcp://192.0.2.5:5170 or tcp://logs.example.org:5170",
    ),
]
Direct = Annotated[
    str,
    Shape(r"^[\w.:*\[\]-]+(/[0-9]{1,3})?$", "a host, a domain such as .example.org, an address or a range of them", longest=253),
]
ProfileName = Annotated[str, Shape(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "a name of letters, digits, dots, _ and dashes", longest=63)]
Certificates = Annotated[str, Shape(r"^[\s\S]*$", "certificates as PEM has them", check_certificates, longest=1 << 20)]
PrivateKey = Annotated[str, Shape(r"^[\s\S]*$", "a private key as PEM has it", check_private_key, longest=1 << 16)]
ImageName = Annotated[
    str,
    Shape(
        r"^[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[\w][\w.-]{0,127}(@sha256:[0-9a-f]{64})?$",
        "an image's full name with its tag, such as docker.io/library/app:1",
    ),
]
Target = Annotated[str, Shape(r"^[^\x00-\x1f\x7f]+$", "the path that the link leads to", longest=4095)]


PlatformName = Annotated[str, Shape(rf"^({'|'.join(PLATFORMS)})$", f"one of {', '.join(PLATFORMS)}")]


class Kubernetes(Frozen):
    version: Version | None = Field(
        None,
        description="without a leading v; a minor (1.36) is its newest with pins; if left out, the newest that is a default",
    )
    programs: Literal["one", "separate"] = Field(
        "one", description="one: a node's programs are one file, by whose names each is called; separate: a file for each"
    )


Fields = dict[str, JsonValue]


class Kubeadm(Frozen):
    """kubeadm's configuration, kind by kind, besides what the node decides; fields as kubeadm.k8s.io/v1beta4 has them."""

    cluster: Fields = Field({}, alias="ClusterConfiguration", description="such as {apiServer: {certSANs: [api.example.org]}}")
    init: Fields = Field(
        {}, alias="InitConfiguration", description="of the first master, such as {nodeRegistration: {taints: []}}"
    )
    join: Fields = Field({}, alias="JoinConfiguration", description="of every other node")
    proxy: Fields = Field({}, alias="KubeProxyConfiguration", description="kube-proxy's (kubeproxy.config.k8s.io/v1alpha1)")


class Network(Frozen):
    cni: str = Field("bridge", description="a description in networks/")
    pod_subnet: Subnet = Field("10.244.0.0/16", description="addresses of pods; each node takes a /24 of it")
    service_subnet: Subnet = Field("10.96.0.0/12", description="addresses of Services")
    domain: Domain = Field("cluster.local", description="the cluster's DNS domain")
    proxy_mode: Literal["nftables", "iptables"] = Field("nftables", description="kube-proxy's mode")
    policies: Flag = Field(False, description="whether NetworkPolicy objects are enforced; else they are taken and do nothing")


class ClientCertificate(Frozen):
    certificate: Certificates = Field(description="the node's certificate, and those up to its authority's, as PEM")
    key: PrivateKey = Field(description="its private key as PEM; it lies in the image")


class Login(Frozen):
    username: Text = Field(description="its name")
    password: Text = Field(description="it lies in the image: an account that can only read")


class RegistryAccess(Frozen):
    """How the node reaches a registry, or a mirror of one."""

    mirrors: tuple[Address, ...] = Field((), description="what is asked for its images first, in this order")
    ca: Certificates | None = Field(None, description="authorities that vouch for it besides those that the node trusts, as PEM")
    client: ClientCertificate | None = Field(None, description="by what the node proves itself to it")
    login: Login | None = Field(None, description="an account of it")
    insecure: Flag = Field(False, description="its certificate is not verified")


class Proxy(Frozen):
    """What the node's runtime and kubelet reach the outside by (golang.org/x/net/http/httpproxy)."""

    http: ProxyAddress | None = Field(None, description="for http://; what it has of an account lies in the image")
    https: ProxyAddress | None = Field(None, description="for https://, which is what registries are")
    no_proxy: tuple[Direct, ...] = Field(
        (), description="what is reached without, besides the cluster's own addresses and names, and the API server"
    )


class Dns(Frozen):
    """How the node resolves names, where its metadata name no servers (resolv.conf(5)); pods ask it by way of CoreDNS."""

    servers: tuple[Resolver, ...] = Field(
        (), max_length=3, description="asked before those that DHCP names; resolvers take three at the most"
    )
    search: tuple[Domain, ...] = Field(
        (), max_length=6, description="domains in which short names are looked for, in place of DHCP's"
    )


class Logs(Frozen):
    """Where a node's logs go besides its own /var/log."""

    forward: LogTarget | None = Field(
        None, description="each line of every log, the kernel's too, is sent there as a line of JSON; pods' logs are not"
    )


class Kernel(Frozen):
    variant: Name | None = Field(
        None, description="another kernel than Debian's usual one: cloud, rt, or a folder kernel-NAME of pkg/"
    )
    arguments: tuple[Argument, ...] = Field((), description="further kernel arguments, after the builder's own")
    console: tuple[Console, ...] = Field(
        ("tty0", "ttyS0,115200n8"), min_length=1, description="consoles; each shows the node's stages"
    )
    sysctl: dict[Sysctl, Setting] = Field({}, description="keys of /proc/sys -> values, after the node's own")
    modules: dict[Module, Parameters] = Field({}, description="kernel modules that are loaded at boot -> their parameters, or ''")
    hugepages: dict[PageSize, Annotated[int, Field(ge=1, le=1 << 20)]] = Field(
        {}, description="sizes of huge pages, 2Mi or 1Gi -> how many of them are set aside at boot, for pods that ask for them"
    )
    watchdog: Annotated[int, Field(ge=0, le=3600)] = Field(
        60,
        description="seconds after which the machine's watchdog, where it has one, resets a node that hangs; 0 leaves it alone",
    )


class Firmware(Frozen):
    """What hardware needs besides its drivers; most of it is of Debian's non-free-firmware."""

    microcode: Flag = Field(True, description="whether the kernel finds microcode of AMD's and Intel's CPUs (16 MB)")
    images: tuple[Name, ...] = Field(
        ("firmware",), description="folders of pkg/ with files for /usr/lib/firmware; `firmware` has what the node's drivers name"
    )


class Media(Frozen):
    """The files that a build makes."""

    formats: tuple[Name, ...] = Field(
        ("iso",), min_length=1, description="of iso, raw, qcow2, vmdk, ova, containerdisk, pxe, uki; --format is asked first"
    )
    disk: int = Field(16384, ge=2048, le=1 << 25, description="MiB that the disk of a virtual machine has (all but iso and raw)")


class Time(Frozen):
    servers: tuple[Server, ...] = Field(
        ("time.cloudflare.com",), description="NTP servers besides those that DHCP names; [] for these alone"
    )
    zone: Zone | None = Field(
        None, description="the node's /etc/localtime and its shells' time zone, such as Europe/Berlin; UTC without it"
    )


class State(Frozen):
    """The disk for what a node must not forget: /var, and /etc/kubernetes in it."""

    need: Literal["required", "optional", "none"] = Field(
        "optional",
        description="required: the node waits for it; optional: without it, all is in memory; none: always so",
    )
    label: DiskLabel = Field("KUBEISO_STATE", description="the label of its ext4 file system")
    path: DiskPath | None = Field(None, description="which disk, where several have the label or are blank")
    smallest: DiskSize | None = Field(None, description="its least size, where several have the label or are blank")
    format: Literal["blank"] | None = Field(None, description="blank: a disk without any content is made the state disk")


class Swap(Frozen):
    """A swap file on the state disk (kubernetes.io/docs/concepts/cluster-administration/swap-memory-management)."""

    size: DiskSize | None = Field(None, description="its size; without one there is no swap")
    pods: Flag = Field(
        True, description="whether pods may use it (LimitedSwap, by their share of memory); else only the node itself"
    )


class Metadata(Frozen):
    faults: Literal["degrade", "halt"] = Field(
        "degrade",
        description="what a node does whose metadata, state disk or images can't be had: go on without its kubelet, or stop",
    )


def _mode(given: dict[str, Any]) -> str:
    return "0755" if given.get("directory") else "0644"


ONE_KIND: list[JsonValue] = [
    {"required": ["contents"]}, {"required": ["source"]}, {"required": ["symlink"]},
    {"required": ["directory"], "properties": {"directory": {"const": True}}},
]  # fmt: skip


class File(Frozen):
    """A file, directory or symbolic link in the node's root; exactly one of contents, source, symlink, directory."""

    model_config = ConfigDict(json_schema_extra={"oneOf": ONE_KIND})

    path: NodePath = Field(description="absolute path on the node")
    contents: str | None = Field(None, description="the file's text")
    source: str | None = Field(None, description="a file on the build machine, of any kind, relative to the recipe")
    symlink: Target | None = Field(None, description="the link's target")
    directory: Flag = Field(False, description="an empty directory")
    mode: Mode = Field(default_factory=_mode, description="octal, in quotes; 0644, and 0755 for a directory, if left out")


class PodImage(Frozen):
    """An image of others that lies in the node's store from the start, so that pods need no registry for it."""

    name: ImageName = Field(
        description="the full name by which pods ask for it, such as docker.io/library/app:1; of a registry's with @sha256:..."
    )
    source: Text | None = Field(
        None,
        description="what `docker save` or `skopeo copy` wrote (a tar, or a folder with an OCI layout), relative to the recipe; "
        "without it, the image comes from its registry at build",
    )


class Service(Frozen):
    """A further LinuxKit service; `linuxkit` takes any key of a LinuxKit image entry (binds, capabilities, net, ...)."""

    name: Name = Field(description="the service's name, once in a recipe")
    image: str = Field(description="a folder of pkg/, or a full image reference with a digest, by which its registry is asked")
    linuxkit: Settings = Field(Settings(), description="keys of a LinuxKit image entry")


class Recipe(Frozen):
    """A node image."""

    extend: str | None = Field(
        None, description="another recipe that this one goes out from, by its name in recipes/ or its path from here"
    )
    runtime: str = Field(description="a description in runtimes/")
    cri: Name | None = Field(None, description="what speaks CRI for the runtime, where its description knows more than one")
    handlers: tuple[Name, ...] = Field((), description="descriptions in handlers/, further ways to run a pod (RuntimeClasses)")
    platform: PlatformName = Field(AMD64.name, description="the machines that the nodes are")
    kubernetes: Kubernetes = Field(Kubernetes(), description="the version of Kubernetes")
    kubelet: Fields = Field(
        {}, description="the kubelet's configuration: any field of KubeletConfiguration of that version, such as {maxPods: 200}"
    )
    kubeadm: Kubeadm = Field(Kubeadm(), description="any field of kubeadm's and kube-proxy's configurations of that version")
    network: Network = Field(Network(), description="the cluster's network")
    registries: dict[Registry, RegistryAccess] = Field(
        {}, description="registries and mirrors by host -> how the node's runtime reaches them"
    )
    trust: tuple[Certificates, ...] = Field(
        (), description="authorities that all programs of the node trust besides the known, as PEM"
    )
    dns: Dns = Field(Dns(), description="how the node resolves names")
    logs: Logs = Field(Logs(), description="where the node's logs go besides its own disk")
    proxy: Proxy = Field(Proxy(), description="by what the runtime and the kubelet reach the outside")
    roles: tuple[Role, ...] = Field((Role.MASTER, Role.WORKER), min_length=1, description="one image is made for each")
    kernel: Kernel = Field(Kernel(), description="the kernel's command line")
    firmware: Firmware = Field(Firmware(), description="what hardware needs besides its drivers")
    storage: tuple[Name, ...] = Field(
        ("udev",), description="descriptions in storage/: names for disks that stay, and clients of storage that pods use"
    )
    guest_tools: tuple[Name, ...] = Field(
        ("vmware",), description="descriptions in guest_tools/: the guest's side of hypervisors, started where the node is theirs"
    )
    media: Media = Field(Media(), description="the files that a build makes")
    metadata: Metadata = Field(Metadata(), description="what each node reads about itself at boot")
    time: Time = Field(Time(), description="what the clock follows")
    state: State = Field(State(), description="the disk for what a node must not forget")
    swap: Swap = Field(Swap(), description="swap on the state disk")
    apparmor: dict[ProfileName, str] = Field(
        {}, description="AppArmor's profiles by name, for pods that ask for one of the node's (appArmorProfile: Localhost)"
    )
    ssh: Ssh = Field(Ssh(), description="access with SSH as root")
    users: tuple[User, ...] = Field((), description="who else administers the node by SSH, each under their own name")
    files: tuple[File, ...] = Field((), description="further files, directories and links in the node's root")
    images: tuple[PodImage, ...] = Field((), description="further images that pods find on the node without a registry")
    manifests: tuple[Text, ...] = Field(
        (), description="YAML files of objects that a new cluster gets, in this order, relative to the recipe"
    )
    services: tuple[Service, ...] = Field((), description="further LinuxKit services")
    replace: dict[str, str] = Field(
        {}, description="image of ours (init, runc, kernel, getty, ...) -> full reference with a digest"
    )

    def configurations(self) -> dict[str, Fields]:
        """What the recipe says of Kubernetes' own configurations, by kind."""
        return {"KubeletConfiguration": self.kubelet, **self.kubeadm.model_dump(by_alias=True)}
