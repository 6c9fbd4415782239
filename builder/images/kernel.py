"""Debian's kernel package -> the files of a LinuxKit kernel image: /kernel, /kernel.tar with pruned modules, and /ucode.cpio.

kernel.tar holds usr/lib/modules, for roots with a merged /usr (where /lib is a link to usr/lib).
"""

import lzma
import posixpath
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from builder.errors import BuildError
from builder.images.microcode import early_archive
from builder.images.model import MICROCODE, KernelDescription
from builder.images.names import Globs
from builder.images.tree import Content, Tree, file
from builder.progress import note, step, warn
from builder.run import failure, run, spawn
from builder.tarball import writing

MODULES = "usr/lib/modules"
SUFFIX = re.compile(r"\.ko(\.xz|\.zst)?$")
# Module names in the .modinfo section, as modpost writes them: depends=a,b and softdep=pre: a b post: c
DEPENDS = re.compile(rb"\0depends=([^\0]*)")
SOFT = re.compile(rb"\0softdep=([^\0]*)")


def kernel_tree(packages: Tree, description: KernelDescription, work: Path, *, own: bool = True) -> Tree:
    """The kernel image's files from the unpacked names of a linux-image package; `work` takes the files made on the way.

    own: the description was made for this kernel, and what of it matches nothing is misspelt.

    Raises BuildError when the packages hold no kernel or several, or no module that is to be kept.
    """
    kernel = _only([name for name in packages.under("boot") if name.startswith("boot/vmlinuz-")], "boot/vmlinuz-*")
    version = kernel.removeprefix("boot/vmlinuz-")
    root = work / "root"
    with step(f"pruning the modules of Linux {version}"):
        kept = extract_modules(packages, version, description, root, own=own)
        run(["depmod", "-b", root, version])
    note(f"kernel {version}: {len(kept)} modules, {sum(kept.values()) / 1e6:.1f} MB")
    image = Tree()
    image.add("kernel", packages.under("boot")[kernel])
    image.add("kernel.tar", file(write_kernel_tar(packages, version, root, work / "kernel.tar")))
    if description.microcode:
        (work / MICROCODE).write_bytes(early_archive(packages, description.microcode))
        image.add(MICROCODE, file(work / MICROCODE))
    return image


def _only(names: list[str], what: str) -> str:
    if len(names) != 1:
        raise BuildError(f"a kernel image needs exactly one {what} in its packages, there are {len(names)}", details=tuple(names))
    return names[0]


def extract_modules(
    packages: Tree, version: str, description: KernelDescription, root: Path, *, own: bool = True
) -> dict[str, int]:
    """Writes the modules that the description keeps, and those that they need, uncompressed below `root`.

    Returns the kept modules' paths below kernel/ and sizes in bytes. Raises BuildError where none is kept.
    """
    base = f"{MODULES}/{version}"
    every = {
        SUFFIX.sub("", path.removeprefix(f"{base}/kernel/")): (path, node.content)
        for path, node in packages.under(f"{base}/kernel").items()
        if node.content and SUFFIX.search(path)
    }
    by_name = {_module_name(path): path for path in every}
    todo = wanted(list(every), builtin(packages, base), description, own=own)
    kept: dict[str, int] = {}
    while todo:
        path = todo.pop()
        if path in kept:
            continue
        source, content = every[path]
        data = unpacked(source, content)
        write_module(root / base / "kernel" / f"{path}.ko", data)
        kept[path] = len(data)
        todo += [by_name[name] for name in needs(data) if name in by_name]
    if not kept:
        raise BuildError(
            f"pkg/kernel keeps no module of Linux {version}",
            why=f"its packages have {len(every)}, and `keep` and `drop` leave none",
            hint="mend `keep` and `drop` in pkg/kernel/image.yml: a node needs modules to find its medium",
        )  # fmt: skip
    link_lib(root)
    copy_lists(packages, base, root, kept)
    return dict(sorted(kept.items()))


def builtin(packages: Tree, base: str) -> list[str]:
    """What would be modules, had the kernel not been built with them inside."""
    node = packages.get(f"{base}/modules.builtin")
    lines = node.content.read().decode().split() if node and node.content else []
    return [SUFFIX.sub("", line).removeprefix("kernel/") for line in lines]


def wanted(paths: list[str], inside: list[str], description: KernelDescription, *, own: bool = True) -> list[str]:
    """The modules' paths (drivers/net/veth) that the globs choose.

    Warns, of a description of this kernel's `own`, of globs that match neither a module nor what is inside the kernel.
    """
    keep, drop = Globs(description.keep, merge=False), Globs(description.drop, merge=False)
    for path in inside:
        keep.match(path)
        drop.match(path)
    chosen = [path for path in sorted(paths) if not drop.match(path) and (not keep or keep.match(path))]
    if own and (unused := [*keep.unused, *drop.unused]):
        warn(f"pkg/kernel: no module of this kernel matches {', '.join(unused)}")
    return chosen


def needs(module: bytes) -> set[str]:
    """The names of the modules that one asks for, with underscores."""
    hard = [name for found in DEPENDS.findall(module) for name in found.decode().split(",")]
    soft = [name for found in SOFT.findall(module) for name in found.decode().split() if not name.endswith(":")]
    return {_module_name(name) for name in [*hard, *soft] if name}


def _module_name(path: str) -> str:
    return posixpath.basename(path).replace("-", "_")


def unpacked(name: str, content: Content) -> bytes:
    """A module's bytes, decompressed as its name says."""
    data = content.read()
    if name.endswith(".xz"):
        return lzma.decompress(data)
    if name.endswith(".zst"):
        return _unzstd(data)
    return data


def _unzstd(data: bytes) -> bytes:
    with spawn(["zstd", "-dcq"], stdin=subprocess.PIPE) as process:
        out, err = process.communicate(data)
    if process.returncode:
        raise failure(["zstd", "-dcq"], process.returncode, err.decode(errors="replace"))
    return out


def write_module(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def link_lib(root: Path) -> None:
    """depmod looks below /lib/modules or /usr/lib/modules, depending on its version."""
    (root / MODULES).mkdir(parents=True, exist_ok=True)
    (root / "lib").symlink_to("usr/lib")


def copy_lists(packages: Tree, base: str, root: Path, kept: Mapping[str, int]) -> None:
    """Copies modules.builtin and the like; modules.order without the modules that are gone."""
    for path, node in packages.under(base).items():
        if posixpath.dirname(path) != base or not node.content:
            continue
        data = node.content.read()
        if path.endswith("/modules.order"):
            lines = data.decode().splitlines(keepends=True)
            data = "".join(line for line in lines if SUFFIX.sub("", line.strip()).removeprefix("kernel/") in kept).encode()
        (root / path).write_bytes(data)


def write_kernel_tar(packages: Tree, version: str, root: Path, target: Path) -> Path:
    """The modules with depmod's indexes, the kernel's configuration beside them, and the package's licence."""
    tree = Tree()
    for made in sorted((root / MODULES).rglob("*")):
        if made.is_file():
            tree.add(made.relative_to(root).as_posix(), file(made))
    config = packages.get(f"boot/config-{version}")
    if not config:
        raise BuildError(f"the kernel's package has no boot/config-{version}")
    # kubeadm's SystemVerification reads it there.
    tree.add(f"{MODULES}/{version}/config", config)
    for path, node in packages.under("usr/share/doc").items():
        tree.add(path, node)
    with target.open("wb") as out, writing(out) as archive:
        tree.write(archive)
    return target
