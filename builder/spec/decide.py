"""Recipe + descriptions + images -> ImageSpec."""

import importlib.metadata
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.errors import InputError
from builder.images.model import MICROCODE
from builder.oci import Image, tag_of
from builder.reading.values import Values
from builder.recipe.model import Recipe, Role
from builder.references import split
from builder.spec import hardening, proxy, registries, users
from builder.spec.classes import CLASSES, manifest
from builder.spec.descriptions import description_values
from builder.spec.files import OwnFiles
from builder.spec.kubeadm import init_config, join_config, upgrade_config
from builder.spec.model import Entry, ImageSpec, Kubernetes, NodeFile, PodNetwork, Runtime
from builder.spec.needs import Needs
from builder.spec.state import state_settings, swap_settings
from builder.spec.versions import control_plane
from builder.spec.zone import zone_files
from builder.timeserver import NTP, TimeServer

# A failed lease must not stop a node that has no cable, nor a full disk one that somebody has to look at.
_OPTIONAL = {"annotations": {"org.kubeiso.optional": "true"}}
# containerd may come up while they run.
_BESIDE = {"annotations": {"org.kubeiso.optional": "true", "org.kubeiso.beside-containerd": "true"}}
_ONBOOT_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "apparmor": _BESIDE,
    "image-seed": {"annotations": {"org.kubeiso.limit": "3600"}},
    "pod-network": {"annotations": {"org.kubeiso.beside-containerd": "true"}},
    "var-files": _OPTIONAL,
    "virtualisation": _OPTIONAL,
    "chrony": {**_BESIDE, "command": ["/usr/bin/clock.sh"]},
    "dhcpcd": {**_BESIDE, "command": ["/usr/bin/dhcpcd.sh", "-1", "-t", "30"]},
}
# A recipe's own fields of kubeadm's configurations can have tokens in them.
_PRIVATE = "0600"
_DEGRADING = ("metadata", "state", "image-seed", "pod-network")
"""Steps without which a node can be no part of its cluster, while somebody can get in and put it right."""
_SYSCTL = {
    "net.ipv4.ip_forward": "1",
    # The bare kernel's own are for one person's machine: all pods share them.
    "kernel.pid_max": "4194304", "fs.inotify.max_user_instances": "8192", "fs.inotify.max_user_watches": "524288",
    "vm.max_map_count": "262144",
}  # fmt: skip


def decide(
    recipe: Recipe,
    role: Role,
    runtime: Runtime,
    network: PodNetwork,
    need: Needs,
    images: Mapping[str, Image],
    image_store: Image,
    kubernetes: Kubernetes,
    own: OwnFiles,
    *,
    console_login: bool,
    files_image: Image | None = None,
) -> ImageSpec:
    """Everything about one node image.

    images: what each folder of pkg/ became. image_store: the image that holds the pods' images unpacked.
    kubernetes: what the images have, whatever the recipe asked for.
    own: the recipe's files. files_image: the image of those that are no texts, where there are any.
    """
    more = (image_store, *((files_image,) if files_image else ()))
    settings = _onboot_settings(recipe)
    reference = {name: recipe.replace.get(name, image.reference) for name, image in images.items()}
    return ImageSpec(
        role=role,
        platform=recipe.platform,
        runtime=recipe.runtime,
        kubernetes_version=kubernetes.version,
        kernel=reference[need.kernel],
        microcode=_microcode(recipe, need.kernel),
        cmdline=_cmdline(recipe),
        init=(*(reference[name] for name in need.init), *(image.reference for image in more)),
        onboot=tuple(Entry(name=n, image=reference[n], settings=settings.get(n, {})) for n in need.onboot),
        services=tuple(_services(recipe, need, reference)),
        files=_files(node_files(recipe, role, runtime, network, kubernetes, images), own, role),
        container_images=tuple(images[name].reference for name in need.containers),
        console_login=console_login,
    )


def _files(ours: Iterable[NodeFile], own: OwnFiles, role: Role) -> tuple[NodeFile, ...]:
    """The recipe's files come after ours and win; those in an image would come before, so ours give way to them."""
    given = {file.path for file in own.binaries}
    return (*(file for file in ours if file.path not in given), *(own.manifests if role is Role.MASTER else ()), *own.texts)


def _microcode(recipe: Recipe, kernel: str) -> str | None:
    """Of our own kernel's image; what those of others hold is not known."""
    return MICROCODE if recipe.firmware.microcode and kernel not in recipe.replace else None


def _cmdline(recipe: Recipe) -> str:
    consoles = [f"console={console}" for console in recipe.kernel.console]
    # Of each size, the kernel takes the number after it (Documentation/admin-guide/mm/hugetlbpage.rst).
    pages = [f"hugepagesz={size.removesuffix('i')} hugepages={count}" for size, count in recipe.kernel.hugepages.items()]
    watchdog = f"kubeiso.watchdog={recipe.kernel.watchdog}"
    return " ".join(
        [*consoles, "panic=10", "loglevel=4", *hardening.KERNEL_ARGUMENTS, watchdog, *pages, *recipe.kernel.arguments]
    )


def _onboot_settings(recipe: Recipe) -> Mapping[str, Mapping[str, Any]]:
    swap = {"swap": swap_settings(recipe.swap.size)} if recipe.swap.size else {}
    found = {**_ONBOOT_SETTINGS, "state": state_settings(recipe.state), **swap}
    degrading = _DEGRADING if recipe.metadata.faults == "degrade" else ()
    return {**found, **{name: _degrading(found.get(name, {})) for name in degrading}}


def _degrading(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**settings, "annotations": {**settings.get("annotations", {}), "org.kubeiso.degrade": "true"}}


def _services(recipe: Recipe, need: Needs, reference: Mapping[str, str]) -> Iterable[Entry]:
    extra = {service.image: service for service in recipe.services}
    yield from (Entry(name=name, image=reference[name]) for name in need.services if name not in extra)
    for service in recipe.services:
        image = reference.get(service.image, service.image)
        yield Entry(name=service.name, image=image, settings=service.linuxkit.plain())


def node_files(
    recipe: Recipe, role: Role, runtime: Runtime, network: PodNetwork, kubernetes: Kubernetes, images: Mapping[str, Image]
) -> Iterator[NodeFile]:
    """The files that every node has, in their order."""
    modules = sorted({*runtime.modules, *network.modules})
    sysctl = {**_SYSCTL, **hardening.SYSCTL, **network.sysctl}
    yield NodeFile(path="etc/os-release", contents=_os_release(kubernetes.version, role))
    yield NodeFile(path="etc/modules-load.d/20-kubeiso.conf", contents="".join(f"{name}\n" for name in modules))
    yield NodeFile(path="etc/sysctl.d/10-kubeiso.conf", contents="".join(f"{k} = {v}\n" for k, v in sorted(sysctl.items())))
    yield from _kernel_files(recipe)
    # Where networks, and add-ons in the cluster, can write their configuration.
    yield NodeFile(path="etc/cni/net.d", symlink="/var/lib/cni/net.d")
    yield NodeFile(path="etc/pod-network", directory=True, mode="0755")
    yield from _time_files(recipe)
    # Where crictl looks for the runtime (github.com/kubernetes-sigs/cri-tools, docs/crictl.md).
    yield NodeFile(path="etc/crictl.yaml", contents=f"runtime-endpoint: {runtime.socket}\n")
    yield from _virtualisation_files(runtime)
    for name, profile in recipe.apparmor.items():
        yield NodeFile(path=f"etc/apparmor.d/kubeiso/{name}", contents=profile)
    yield from _kubeadm_files(recipe, role, runtime, network, kubernetes)
    yield from _upgrade_files(role, kubernetes, images)
    values = _values(recipe, images)
    yield from (_filled(file, values) for file in (*runtime.files, *network.files))
    yield from registries.files(runtime.registries, recipe.registries)
    yield from _dns_files(recipe)
    if recipe.logs.forward:
        yield NodeFile(path="etc/logs/forward", contents=f"{recipe.logs.forward}\n")
    yield from proxy.files(recipe.proxy, recipe.network)
    if recipe.trust:
        # Go's programs read every file of this folder beside the bundle (crypto/x509, root_linux.go), the API server too.
        yield NodeFile(path="etc/ssl/certs/kubeiso-trust.pem", contents="".join(f"{text.strip()}\n" for text in recipe.trust))
    if recipe.ssh.authorized_keys:
        keys = "".join(f"{key.strip()}\n" for key in recipe.ssh.authorized_keys)
        yield NodeFile(path="root/.ssh/authorized_keys", contents=keys, mode="0600")
    yield from users.files(recipe.users)


def _kernel_files(recipe: Recipe) -> Iterator[NodeFile]:
    """sysctl.d(5), modules-load.d(5) and modprobe.d(5) of what the recipe says; they are read after ours."""
    texts = {
        "sysctl.d": "".join(f"{key} = {value}\n" for key, value in recipe.kernel.sysctl.items()),
        "modules-load.d": "".join(f"{name}\n" for name in recipe.kernel.modules),
        "modprobe.d": "".join(
            f"options {name} {parameters}\n" for name, parameters in recipe.kernel.modules.items() if parameters
        ),
    }
    yield from (NodeFile(path=f"etc/{folder}/50-recipe.conf", contents=text) for folder, text in texts.items() if text)


def _time_files(recipe: Recipe) -> Iterator[NodeFile]:
    """The zone, and where chrony looks for the recipe's servers; a name may stand for several."""
    if recipe.time.zone:
        yield from zone_files(recipe.time.zone)
    yield NodeFile(path="etc/ntp", directory=True, mode="0755")
    lines = []
    for server in map(TimeServer.parse, recipe.time.servers):
        port = f" port {server.port}" if server.port != NTP else ""
        lines.append(f"{'server' if server.is_address else 'pool'} {server.host}{port} iburst\n")
    if lines:
        yield NodeFile(path="etc/ntp/recipe.sources", contents="".join(lines))


def _dns_files(recipe: Recipe) -> Iterator[NodeFile]:
    """What the step `metadata` takes where a node's metadata name no servers; resolv.conf(5)."""
    yield NodeFile(path="etc/dns", directory=True, mode="0755")
    search = f"search {' '.join(recipe.dns.search)}\n" if recipe.dns.search else ""
    if text := "".join(f"nameserver {server}\n" for server in recipe.dns.servers) + search:
        yield NodeFile(path="etc/dns/resolv.conf", contents=text)


def _virtualisation_files(runtime: Runtime) -> Iterator[NodeFile]:
    """What the onboot step of that name reads: one word a line."""
    if runtime.virtualisation:
        yield NodeFile(path="etc/virtualisation", directory=True, mode="0755")
    words: dict[str, Iterable[str]] = {
        "modules": (name for each in runtime.virtualisation for name in each.modules),
        "devices": (name for each in runtime.virtualisation for name in each.devices),
        "labels": (each.label for each in runtime.virtualisation),
    }
    for name, given in words.items():
        if text := "".join(f"{word}\n" for word in dict.fromkeys(given)):
            yield NodeFile(path=f"etc/virtualisation/{name}", contents=text)


def _kubeadm_files(
    recipe: Recipe, role: Role, runtime: Runtime, network: PodNetwork, kubernetes: Kubernetes
) -> Iterable[NodeFile]:
    """What kubeadm reads; a master that is not the first one joins, too."""
    yield NodeFile(path="etc/kubeadm", directory=True, mode="0755")
    master = role is Role.MASTER
    if master:
        init = init_config(recipe, runtime, network, kubernetes)
        yield NodeFile(path="etc/kubeadm/kubeadm.yaml", contents=init, mode=_PRIVATE)
        yield from hardening.audit_files()
        if runtime.classes:
            yield NodeFile(path=CLASSES, contents=manifest(runtime.classes))
    name = f"etc/kubeadm/{'kubeadm-join' if master else 'kubeadm'}.yaml"
    yield NodeFile(path=name, contents=join_config(recipe, runtime), mode=_PRIVATE)


def _upgrade_files(role: Role, kubernetes: Kubernetes, images: Mapping[str, Image]) -> Iterable[NodeFile]:
    """What kubeadm-upgrade.sh reads: the images that kubeadm's pods have on this medium, and kubeadm's configuration."""
    names = sorted(images[folder].name for folder in control_plane(role is Role.MASTER) if folder in images)
    yield NodeFile(path="etc/kubeadm/images", contents="".join(f"{name}\n" for name in names))
    yield NodeFile(path="etc/kubeadm/kubeadm-upgrade.yaml", contents=upgrade_config(kubernetes))


def _values(recipe: Recipe, images: Mapping[str, Image]) -> Values:
    """What the texts of descriptions name."""
    given = recipe.network
    network = {
        "pod_subnet": given.pod_subnet, "node_pod_subnet": _first_node_subnet(given.pod_subnet),
        "service_subnet": given.service_subnet, "domain": given.domain,
    }  # fmt: skip
    held = [split(image.name).name for image in recipe.images]
    return description_values(network, {name: image.name for name, image in images.items()}, held)


def _filled(file: NodeFile, values: Values) -> NodeFile:
    if not file.contents:
        return file
    text, faults = values.fill(file.contents)
    if faults:
        raise InputError(
            f"the description's file {file.path} can't be filled in", details=tuple(fault.message for fault in faults)
        )
    return file.model_copy(update={"contents": text})


def _first_node_subnet(pods: str) -> str:
    """The range of a node that nobody gave one: the first /24 of the pods' subnet."""
    network = ipaddress.ip_network(pods)
    return str(next(network.subnets(new_prefix=24))) if network.prefixlen < 24 else pods


def _os_release(version: str, role: Role) -> str:
    """os-release(5) has no "+" in VERSION_ID, as tags have none; VARIANT_ID is what the node does in its cluster.

    The step `state` notes on the node's disk what it finds here.
    """
    return (
        "NAME=kubeiso\nID=kubeiso\nID_LIKE=linuxkit\n"
        f'PRETTY_NAME="kubeiso, Kubernetes v{version}"\nVERSION_ID={tag_of(version)}\n'
        f"VARIANT_ID={role}\nIMAGE_ID=kubeiso\nIMAGE_VERSION={importlib.metadata.version('kubeiso')}\n"
    )
