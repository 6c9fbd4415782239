"""Which kernel modules an initrd needs to reach its medium, from the tables that depmod wrote (modules.dep(5), depmod.d(5))."""

import posixpath
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.architecture import Platform
from builder.errors import BuildError
from builder.media.tree import Tree
from builder.progress import warn

# Loaded whatever the hardware is: no device announces them. sd and sr announce themselves only once a SCSI host has looked.
ALWAYS = (
    "loop", "dm_verity", "squashfs", "overlay", "isofs", "nls_ascii", "nls_iso8859_1", "nls_utf8", "sd_mod", "sr_mod",
)  # fmt: skip

# Loaded where the processor is one for them: SHA-256 by SHA-NI and AVX. An emulated one is quicker without (40 MB/s and 27).
WHERE_IT_FITS = ("sha256_ssse3",)

# Below kernel/: what a medium can hang on, and the buses between. Of each, what a device can ask for.
DRIVERS = (
    "drivers/ata/", "drivers/block/", "drivers/hv/hv_vmbus.ko", "drivers/message/fusion/", "drivers/mmc/", "drivers/nvme/host/",
    "drivers/pci/controller/", "drivers/scsi/", "drivers/usb/host/", "drivers/usb/storage/", "drivers/virtio/virtio_mmio.ko",
    "drivers/virtio/virtio_pci.ko",
)  # fmt: skip

# The beginning of an alias by which hardware asks for its driver (scripts/mod/file2alias.c).
BUSES = ("acpi", "acpi*", "mmc", "pci", "platform", "usb", "virtio", "vmbus", "xen")


@dataclass(frozen=True)
class Tables:
    """modules.dep, modules.alias and modules.softdep. Modules are named by their paths below lib/modules/VERSION."""

    depends: Mapping[str, tuple[str, ...]]
    alias_lines: tuple[str, ...]
    softdep_lines: tuple[str, ...]

    @property
    def paths(self) -> dict[str, str]:
        return {module_name(path): path for path in self.depends}

    @property
    def aliases(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in self.alias_lines:
            alias, module = line.removeprefix("alias ").rsplit(None, 1)
            found.setdefault(alias, []).append(module)
        return found

    @property
    def soft(self) -> dict[str, list[str]]:
        """Module -> modules or aliases that it wants loaded before or after it."""
        found: dict[str, list[str]] = {}
        for line in self.softdep_lines:
            _, module, *names = line.split()
            found.setdefault(module, []).extend(name for name in names if name not in ("pre:", "post:"))
        return found


@dataclass(frozen=True)
class Selection:
    """Files below lib/modules/VERSION, and the modules among them that are always loaded."""

    version: str
    files: Mapping[str, bytes]
    always: tuple[str, ...]


def module_name(path: str) -> str:
    """kernel/drivers/usb/host/xhci-pci.ko -> xhci_pci"""
    return posixpath.basename(path).partition(".ko")[0].replace("-", "_")


def parse(dep: str, alias: str, softdep: str) -> Tables:
    rows = (line.partition(":") for line in dep.splitlines() if line.strip())
    return Tables(
        {path: tuple(needed.split()) for path, _, needed in rows},
        tuple(line for line in alias.splitlines() if line.startswith("alias ")),
        tuple(line for line in softdep.splitlines() if line.startswith("softdep ")),
    )


def closure(tables: Tables, wanted: Iterable[str]) -> list[str]:
    """Paths of the wanted modules that exist and of all that they need, soft dependencies included, sorted."""
    paths, aliases, soft = tables.paths, tables.aliases, tables.soft
    todo, seen = list(wanted), set[str]()
    while todo:
        name = todo.pop()
        module = name.replace("-", "_")
        if name in seen:
            continue
        seen |= {name, module}
        if module in paths:
            todo += [module_name(needed) for needed in tables.depends[paths[module]]] + soft.get(module, [])
        else:
            todo += aliases.get(name, [])
    return sorted(paths[name] for name in seen if name in paths)


def drivers(tables: Tables) -> list[str]:
    """The modules that hardware asks for, of which a medium may need any."""
    asked = {module for alias, modules in tables.aliases.items() if alias.partition(":")[0] in BUSES for module in modules}
    found = ((module_name(path), path.partition("kernel/")[2]) for path in tables.depends)
    return sorted(name for name, path in found if name in asked and path.startswith(DRIVERS))


def reduced(tables: Tables, paths: list[str]) -> dict[str, bytes]:
    """The three tables for these modules alone."""
    names = {module_name(path) for path in paths}
    dep = [f"{path}: {' '.join(tables.depends[path])}".rstrip() for path in paths]
    alias = [line for line in tables.alias_lines if line.rsplit(None, 1)[1] in names]
    soft = [line for line in tables.softdep_lines if line.split()[1] in names]
    tables_of = {"modules.dep": dep, "modules.alias": alias, "modules.softdep": soft}
    return {name: "".join(line + "\n" for line in lines).encode() for name, lines in tables_of.items()}


def select(tree: Tree, version: str) -> Selection:
    """The modules of this kernel that a medium may need; none, with a warning, where the tree has none for it."""
    places = (f"{parent}/{version}" for parent in ("lib/modules", "usr/lib/modules"))
    base = next((place for place in places if tree.find(place)), None)
    if base is None:
        warn(f"the root tree has no modules for its kernel {version}: all that reaches the medium must be built in")
        return Selection(version, {}, ())
    tables = parse(*(table(tree, f"{base}/{name}") for name in ("modules.dep", "modules.alias", "modules.softdep")))
    paths = closure(tables, (*ALWAYS, *WHERE_IT_FITS, *drivers(tables)))
    files = {path: content(tree, f"{base}/{path}") for path in paths}
    present = tables.paths
    return Selection(version, {**files, **reduced(tables, paths)}, tuple(name for name in ALWAYS if name in present))


def table(tree: Tree, path: str) -> str:
    return content(tree, path).decode()


def content(tree: Tree, path: str) -> bytes:
    node = tree.find(path)
    if node is None or not node.info.isreg():
        raise BuildError(f"the root tree has no /{path}", hint="the kernel's image must bring its modules with depmod's tables")
    return tree.read(node)


def kernel_version(kernel: bytes, platform: Platform) -> str:
    """The release of a bzImage, such as 6.12.48-amd64 (Documentation/arch/x86/boot.rst: header fields at 0x202 and 0x20e)."""
    if kernel[0x202:0x206] != b"HdrS":
        raise BuildError(f"boot/kernel is no Linux kernel for {platform.spoken} (no {platform.kernel_image})")
    (start,) = struct.unpack_from("<H", kernel, 0x20E)
    return kernel[start + 0x200 :].split(b"\0", 1)[0].split(b" ", 1)[0].decode()
