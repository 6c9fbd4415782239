"""Root tar -> what media of every format are made of: kernel, initrd, command line, layers."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from builder.errors import BuildError
from builder.media import initrd, modules
from builder.media.alike import unite
from builder.media.layers import Sealed, make_layers, squashfs_version
from builder.media.model import MediaRequest, Prepared
from builder.media.tree import Tree, read_tree
from builder.media.verity import veritysetup_version
from builder.store import Digest, Store, file_digest

HERE = Path(__file__).parent

TOOLS = ("depmod", "mksquashfs", "veritysetup", "zstd")
"""Host programs that media of every format need."""


def prepare(request: MediaRequest, store: Store) -> Prepared:
    """Raises BuildError for a root tree without a kernel, ToolMissing."""
    tree = read_tree(store.path(request.root))
    unite(tree)
    kernel = boot_file(tree, "boot/kernel")
    cmdline = boot_file(tree, "boot/cmdline").decode().strip()
    selection = modules.select(tree, modules.kernel_version(kernel, request.platform))
    layers = {layer_path(each.layer): each for each in make_layers(tree, store, request.changing)}
    ramdisk = make_ramdisk(request, tree, layers, selection, store)
    found = {path: each.layer for path, each in layers.items()}
    return Prepared(request.label, cmdline, store.put(kernel), ramdisk, found, platform=request.platform)


@cache
def program_digest() -> tuple[Digest, ...]:
    """What the code here is, so that changed code does not take an older one's result."""
    ground = (HERE.parent / name for name in ("cpio.py", "symlinks.py", "tarball.py"))
    return tuple(file_digest(path) for path in (*sorted(HERE.glob("*.py")), *ground))


def tool_versions() -> tuple[str, ...]:
    """What the bits of layers and initrd depend on beside that."""
    return squashfs_version(), veritysetup_version(), initrd.zstd_version()


def layer_path(digest: Digest) -> str:
    """Where a layer lies on the medium, relative to its root."""
    return f"kubeiso/layer-{digest.removeprefix('sha256:')[:16]}.squashfs"


def boot_file(tree: Tree, path: str) -> bytes:
    node = tree.find(path)
    if node is None or not node.info.isreg():
        raise BuildError(f"the root tree has no {path}", hint="the LinuxKit YAML needs a kernel image with a kernel in it")
    return tree.read(node)


def make_ramdisk(
    request: MediaRequest, tree: Tree, layers: Mapping[str, Sealed], selection: modules.Selection, store: Store
) -> Digest:
    settings = initrd.config(request.label, layers, selection.always)
    microcode = tree.find("boot/ucode.cpio")
    program = store.read(request.initrd_program)
    return initrd.make_initrd(program, selection, settings, tree.read(microcode) if microcode else b"", store)
