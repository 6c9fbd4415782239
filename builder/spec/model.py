"""Everything decided about one node image: no default and no choice is left to the rooms after this one."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from builder.frozen import Frozen
from builder.oci import canonical
from builder.reading.shapes import Shape, Unfit
from builder.recipe.model import Mode, Name, NodePath, Role, Target
from builder.scalars import Flag, Whole
from builder.store import sha256

E = TypeVar("E")

KUBELETS_OWN = 120
"""runtimeRequestTimeout of a kubelet that is told no other (pkg/kubelet/apis/config/v1beta1/defaults.go of v1.36.3)."""

Seconds = Annotated[Whole, Field(ge=1)]
Quantity = Annotated[str, Shape(r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?|k)?$", "a quantity of Kubernetes such as 250m or 64Mi")]

Label = Annotated[
    str, Shape(r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "a label's key such as example.org/name")
]
Device = Annotated[str, Shape(r"^/dev/[a-zA-Z0-9/_-]+$", "a device file such as /dev/kvm")]


class NodeFile(Frozen):
    """A file of the node's root: exactly one of a text, a link and a directory. In descriptions a text can name values."""

    path: NodePath
    contents: str | None = None
    symlink: Target | None = None
    directory: Flag = False
    mode: Mode = "0644"

    @model_validator(mode="after")
    def _one_kind(self) -> "NodeFile":
        given = [name for name in ("contents", "symlink") if getattr(self, name) is not None] + ["directory"] * self.directory
        if len(given) != 1:
            raise Unfit(f"{' and '.join(given) or 'nothing'} is given", "give one of contents, symlink and directory: true")
        return self


class Check(Frozen):
    """A command on the node whose exit code 0 is the proof."""

    name: str
    command: str


class Sandbox(Frozen):
    """What pods of a RuntimeClass have that runs them in a kernel of their own."""

    process: str = Field(description="regular expression (POSIX, extended) for the command line of the one process of each pod")


class Overhead(Frozen):
    """What a pod of a RuntimeClass takes besides its containers, as Kubernetes counts it."""

    cpu: Quantity | None = None
    memory: Quantity | None = None


class Virtualisation(Frozen):
    """What a handler needs whose pods are virtual machines: a node whose processor runs such, and that can say so.

    Whether a node has all `devices` is found out at each of its boots, once the modules are loaded; the label says true or false.
    """

    label: Label = Field(description="the label by which a node says whether it can run such pods: true or false")
    modules: tuple[str, ...] = Field((), description="kernel modules that are loaded where the processor can virtualise")
    devices: tuple[Device, ...] = Field(min_length=1, description="device files without which such pods can't run")


class RuntimeClass(Frozen):
    """A RuntimeClass of the cluster (node.k8s.io/v1), by which pods choose a handler."""

    name: Name
    handler: Name = Field(description="the handler's name in the runtime's configuration")
    overhead: Overhead = Overhead()
    node_selector: dict[str, str] = Field({}, description="labels of the nodes that can run it")
    sandbox: Sandbox | None = Field(None, description="for pods with a kernel of their own")
    proof: str = Field(description="command on the node that ends with 0 when the handler runs the container with the id $ID")


class CriServer(Frozen):
    """A program that speaks CRI for a container engine that does not."""

    title: str
    socket: str = Field(description="CRI endpoint, unix:///...")
    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    services: tuple[str, ...] = Field((), description="folders of pkg/ that run as services")
    files: tuple[NodeFile, ...] = ()
    logs: tuple[str, ...] = Field((), description="its log files on the node")
    outlived: tuple[str, ...] = Field((), description="its daemons whose sudden end (kill -9) containers outlive")
    critest_without: dict[str, str] = Field(
        {}, description="tests of critest that can't pass with it: a test's name, and the reason"
    )


class Runtime(Frozen):
    """runtimes/NAME.yml: all that depends on the container runtime. Exactly one of socket and cri."""

    title: str
    socket: str = Field("", description="CRI endpoint, unix:///...")
    cri: dict[Name, CriServer] = Field({}, description="what can speak CRI for it, by name; the first unless a recipe chooses")
    cgroup_driver: Literal["cgroupfs", "systemd"] = "cgroupfs"
    image_store: str = Field("containerd", description="whose store holds the node's container images")
    registries: Literal["containerd", "containers", "docker"] = Field(
        "containerd", description="in whose form it reads how registries are reached (spec/registries.py)"
    )
    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    onboot: tuple[str, ...] = Field((), description="folders of pkg/ that run once at boot, in this order")
    services: tuple[str, ...] = Field((), description="folders of pkg/ that run as services")
    images: tuple[str, ...] = Field((), description="folders of pkg/ whose images the node carries for its pods")
    kubelet_arguments: dict[str, str] = {}
    modules: tuple[str, ...] = ()
    files: tuple[NodeFile, ...] = ()
    checks: tuple[Check, ...] = ()
    logs: tuple[str, ...] = Field((), description="the runtime's log files on the node")
    outlived: tuple[str, ...] = Field((), description="the runtime's daemons whose sudden end (kill -9) containers outlive")
    diagnostics: tuple[Check, ...] = Field((), description="what a failed run asks a node of the runtime: file name and command")
    classes: tuple[RuntimeClass, ...] = Field((), description="RuntimeClasses that a new cluster gets")
    virtualisation: tuple[Virtualisation, ...] = Field((), description="what its handlers need whose pods are virtual machines")
    request_timeout: Seconds = Field(KUBELETS_OWN, description="seconds that a request of the kubelet may take, but pulls")
    critest_without: dict[str, str] = Field(
        {}, description="tests of critest that the runtime can't pass by its nature: a test's name, and the reason"
    )
    conformance_without: dict[str, str] = Field(
        {},
        description="Kubernetes' conformance tests that the runtime can't pass by its nature: a test's full name, and the reason",
    )

    @model_validator(mode="after")
    def _one_endpoint(self) -> "Runtime":
        if bool(self.socket) == bool(self.cri):
            raise Unfit(f"{'socket and cri are' if self.cri else 'nothing is'} given", "give one of socket and cri")
        return self

    def spoken_for(self, name: str | None) -> "Runtime":
        """The runtime with what speaks CRI for it: the one of that name, else its first; itself where it needs none."""
        if not self.cri:
            return self
        chosen = self.cri.get(name or "") or next(iter(self.cri.values()))
        without = self.critest_without | chosen.critest_without
        return self.model_copy(update={
            **_of_both(SPOKEN, self, chosen), "socket": chosen.socket, "cri": {}, "critest_without": without,
        })  # fmt: skip


SPOKEN = ("init", "services", "files", "logs", "outlived")
"""What a CRI server adds to its runtime."""


class Extra(Frozen):
    """What nodes have for tests alone, and carry in media of their own, which have its name in theirs."""

    name: Name
    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    images: tuple[str, ...] = Field((), description="folders of pkg/ whose images the node carries for its pods")


NOTHING = Extra(name="nothing")


class OnRuntime(Frozen):
    """What a handler needs of one runtime."""

    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    files: tuple[NodeFile, ...] = ()
    checks: tuple[Check, ...] = ()


class Handler(Frozen):
    """handlers/NAME.yml: a further way to run a pod's containers, and what the runtimes that can use it need for it."""

    title: str
    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    onboot: tuple[str, ...] = Field((), description="folders of pkg/ that run once at boot")
    services: tuple[str, ...] = Field((), description="folders of pkg/ that run as services")
    modules: tuple[str, ...] = ()
    files: tuple[NodeFile, ...] = ()
    checks: tuple[Check, ...] = ()
    logs: tuple[str, ...] = Field((), description="log files on the node")
    diagnostics: tuple[Check, ...] = Field((), description="what a failed run asks a node of it: file name and command")
    classes: tuple[RuntimeClass, ...] = Field(min_length=1, description="RuntimeClasses that a new cluster gets")
    virtualisation: Virtualisation | None = Field(None, description="for a handler whose pods are virtual machines")
    request_timeout: Seconds = Field(KUBELETS_OWN, description="seconds that a request of the kubelet may take, but pulls")
    runtimes: dict[str, OnRuntime] = Field(min_length=1, description="runtime -> what it needs for this handler")

    def join(self, name: str, runtime: Runtime) -> Runtime:
        """The runtime `name` with this handler."""
        on = self.runtimes[name]
        needs = (self.virtualisation,) if self.virtualisation else ()
        return runtime.model_copy(update={
            "init": _each_once(*runtime.init, *self.init, *on.init),
            "virtualisation": _each_once(*runtime.virtualisation, *needs),
            "request_timeout": max(runtime.request_timeout, self.request_timeout),
            "files": (*runtime.files, *self.files, *on.files),
            "checks": (*runtime.checks, *self.checks, *on.checks),
            "diagnostics": (*runtime.diagnostics, *self.diagnostics),
            "classes": (*runtime.classes, *self.classes),
            **_of_both(SHARED, runtime, self),
        })  # fmt: skip


SHARED = ("onboot", "services", "modules", "logs")
"""What a handler adds to a runtime as it is, where another handler has not done so."""


def _of_both(keys: tuple[str, ...], one: Frozen, other: Frozen) -> dict[str, tuple[Any, ...]]:
    """What both descriptions have under these keys, each entry once."""
    return {key: _each_once(*getattr(one, key), *getattr(other, key)) for key in keys}


def _each_once(*names: E) -> tuple[E, ...]:
    return tuple(dict.fromkeys(names))


class Addition(Frozen):
    """What a node has beside its runtime, whatever that is: storage/NAME.yml, a client of disks or of their servers;
    guest_tools/NAME.yml, the guest's side of a hypervisor."""

    title: str
    needs: tuple[Name, ...] = Field((), description="other descriptions in the same folder without which it is of no use")
    services: tuple[str, ...] = Field((), description="folders of pkg/ that run as services")
    modules: tuple[str, ...] = ()
    files: tuple[NodeFile, ...] = ()
    logs: tuple[str, ...] = Field((), description="log files on the node")

    def join(self, runtime: Runtime) -> Runtime:
        """The node's runtime with this beside it."""
        return runtime.model_copy(update=_of_both(("services", "modules", "files", "logs"), runtime, self))


class Workload(Frozen):
    """What runs in the cluster and has to be ready before pods can talk across nodes."""

    kind: Literal["daemonset", "deployment"]
    namespace: str
    name: str


class Policies(Frozen):
    """networks/policies/NAME.yml: what enforces NetworkPolicy for a pod network that does not do so itself."""

    title: str
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = Field((), description="folders of pkg/ whose images the node carries")
    files: tuple[NodeFile, ...] = ()
    workloads: tuple[Workload, ...] = Field((), description="what it runs in the cluster")


class PodNetwork(Frozen):
    """networks/NAME.yml: the pod network."""

    title: str
    policies: Name | None = Field(None, description="a description in networks/policies/: what can enforce NetworkPolicy for it")
    init: tuple[str, ...] = Field((), description="folders of pkg/ that join LinuxKit's init section")
    onboot: tuple[str, ...] = Field((), description="folders of pkg/ that run once at boot, in this order, after all others")
    modules: tuple[str, ...] = ()
    sysctl: dict[str, str] = {}
    images: tuple[str, ...] = Field((), description="folders of pkg/ whose images the node carries")
    host_ranges: bool = Field(
        False, description="whoever plans the nodes gives each its range of pods, and routes; else kube-controller-manager does"
    )
    files: tuple[NodeFile, ...] = ()
    workloads: tuple[Workload, ...] = Field((), description="what the network runs in the cluster")

    def with_policies(self, policies: Policies) -> "PodNetwork":
        """The network with what enforces its policies."""
        return self.model_copy(update={
            "modules": _each_once(*self.modules, *policies.modules), "images": _each_once(*self.images, *policies.images),
            "files": (*self.files, *policies.files), "workloads": (*self.workloads, *policies.workloads),
        })  # fmt: skip


class Kubernetes(Frozen):
    """The Kubernetes that a node has. image_tags: of "etcd" and "coredns", where kubeadm would ask for another tag by itself."""

    version: str = Field(description="the API server's, without a leading v; a developer's own build has more than three numbers")
    image_tags: dict[str, str] = {}


class Expected(Frozen):
    """pkg/kubernetes/MINOR/minor.yml: the versions of what kubeadm deploys besides Kubernetes, as it chooses them by itself."""

    etcd: str
    coredns: str
    pause: str
    default: bool = Field(True, description="false: only a recipe that names this minor gets it")
    conformance: bool = Field(True, description="whether pkg/ has the images that Kubernetes' conformance tests name")

    def references(self) -> dict[str, str]:
        """Folder of pkg/ -> the full name that this kubeadm asks for (cmd/kubeadm/app/images/images.go)."""
        return {
            "etcd": f"registry.k8s.io/etcd:{self.etcd}-0",
            "coredns": f"registry.k8s.io/coredns/coredns:v{self.coredns}",
            "pause": f"registry.k8s.io/pause:{self.pause}",
        }


class Entry(Frozen):
    """One entry of onboot or services: an image pinned by digest and the LinuxKit keys that differ from its label."""

    name: str
    image: str
    settings: dict[str, Any] = {}


class ImageSpec(Frozen):
    """One node image, decided. References are pinned by digest."""

    role: Role
    platform: str
    runtime: str
    kubernetes_version: str
    kernel: str
    microcode: str | None = Field(description="the file of the kernel's image in which the kernel looks for CPU microcode")
    cmdline: str
    init: tuple[str, ...]
    onboot: tuple[Entry, ...]
    services: tuple[Entry, ...]
    files: tuple[NodeFile, ...]
    container_images: tuple[str, ...] = Field(description="images for pods that lie unpacked in the node's store")
    console_login: bool = Field(description="a root shell on the consoles without a password: test builds only")

    @property
    def id(self) -> str:
        """64 hexadecimal digits over all of the content."""
        return sha256(canonical(self.model_dump(mode="json"))).removeprefix("sha256:")

    @property
    def label(self) -> str:
        """The medium's ISO 9660 volume label."""
        return f"KUBEISO_{self.role.value}_{self.id[:8]}".upper()
