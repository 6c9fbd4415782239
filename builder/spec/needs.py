"""Which folders of pkg/ a node image is made of."""

from dataclasses import dataclass

from builder.recipe.model import Recipe, Role
from builder.spec.model import NOTHING, Extra, PodNetwork, Runtime
from builder.spec.versions import control_plane

INIT = ("init", "runc", "containerd", "apparmor")
ONBOOT_FIRST = ("sysctl", "metadata", "state")  # the metadata may name the disk that `state` looks for
STATE_FILES = ("var-files",)
ONBOOT_LAST = ("dhcpcd", "chrony", "pod-network")
SERVICES = ("sshd", "dhcpcd", "chrony", "api-balancer", "kubelet")
FORWARD = "log-forward"
KERNEL = "kernel"
SWAP = "swap"  # a file on the state disk
APPARMOR = "apparmor"  # its parser, which loads the runtimes' own profile and those of the recipe
TIME_ZONES = "tzdata"
VIRTUALISATION = "virtualisation"  # finds out whether the node can run virtual machines
# Carried by every node, so that a cluster can be tested with the network cable out.
TEST_IMAGES = ("client", "nginx")


@dataclass(frozen=True)
class Needs:
    """Folders of pkg/: for LinuxKit's sections, and for the pods (`containers`). own_services: those that each node has."""

    kernel: str
    init: tuple[str, ...]
    onboot: tuple[str, ...]
    services: tuple[str, ...]
    containers: tuple[str, ...]
    own_services: tuple[str, ...]

    @property
    def node(self) -> tuple[str, ...]:
        """Every folder that LinuxKit's sections name, the kernel's included, sorted."""
        return tuple(sorted({self.kernel, *self.init, *self.onboot, *self.services}))


def needs(
    recipe: Recipe,
    role: Role,
    runtime: Runtime,
    network: PodNetwork,
    *,
    console_login: bool,
    extra: Extra = NOTHING,
    state_files: bool = False,
) -> Needs:
    """extra: what tests need besides. state_files: whether the recipe has files that a step at boot puts below /var."""
    theirs = tuple(service.image for service in recipe.services if "@" not in service.image)
    console = ("getty",) if console_login else ()
    test_images = (*TEST_IMAGES, *extra.images)
    forward = (FORWARD,) if recipe.logs.forward else ()
    own = tuple(dict.fromkeys((*console, *SERVICES, *forward, *runtime.services)))
    virtual = (VIRTUALISATION,) if runtime.virtualisation else ()
    zones = (TIME_ZONES,) if recipe.time.zone else ()
    swap = (SWAP,) if recipe.swap.size else ()
    profiles = (APPARMOR,) if recipe.apparmor else ()
    first = (*ONBOOT_FIRST, *swap, *(STATE_FILES if state_files else ()))
    return Needs(
        kernel=f"{KERNEL}-{recipe.kernel.variant}" if recipe.kernel.variant else KERNEL,
        init=(*INIT, *zones, *recipe.firmware.images, *runtime.init, *network.init, *extra.init),
        onboot=(*first, *virtual, *runtime.onboot, *profiles, *ONBOOT_LAST, *network.onboot),
        services=tuple(dict.fromkeys((*own, *theirs))),
        containers=tuple(sorted({*control_plane(role is Role.MASTER), *runtime.images, *network.images, *test_images})),
        own_services=own,
    )
