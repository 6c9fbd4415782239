"""The initrd: one program, what it must know, and the modules that reach the medium."""

import json
import os
import posixpath
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from builder import cpio
from builder.media.layers import Sealed
from builder.media.modules import Selection
from builder.progress import step
from builder.run import run
from builder.store import Digest, Store, key_of, sha256
from builder.versions import told

CONFIG = "etc/kubeiso-initrd.json"
MOUNT_POINTS = ("dev", "proc", "run", "sys")


def config(label: str, layers: Mapping[str, Sealed], always: tuple[str, ...]) -> bytes:
    """What the initrd's program reads: the medium's label, the layers' paths (lowest first), their digests and the roots of their
    hashes, modules to load."""
    digests = [each.layer.removeprefix("sha256:") for each in layers.values()]
    roots = [vars(each.root) for each in layers.values()]
    read = {"label": label, "layers": list(layers), "digests": digests, "roots": roots, "load": list(always)}
    return json.dumps(read, indent=1).encode() + b"\n"


def members(program: bytes, selection: Selection) -> list[cpio.Entry]:
    """The archive's files. /dev/console is for the time before devtmpfs is mounted: the program's first output goes there."""
    files = {f"lib/modules/{selection.version}/{name}": data for name, data in selection.files.items()}
    directories = sorted({*MOUNT_POINTS, *(parent for name in files for parent in parents(name))})
    return [
        *(cpio.directory(name) for name in directories),
        cpio.device("dev/console", 5, 1),
        cpio.file("init", program, 0o755),
        *(cpio.file(name, data) for name, data in sorted(files.items())),
    ]


def parents(name: str) -> list[str]:
    found = []
    while name := posixpath.dirname(name):
        found.append(name)
    return found


def make_initrd(program: bytes, selection: Selection, settings: bytes, microcode: bytes, store: Store) -> Digest:
    """Three archives in a row: microcode (the kernel looks for it at the start), settings, and the compressed rest.

    The settings name the layers and so change with every edit; the rest, slow to compress, does not.
    """
    head = cpio.newc([*(cpio.directory(name) for name in reversed(parents(CONFIG))), cpio.file(CONFIG, settings)])
    rest = compressed(members(program, selection), store)
    return store.put(cpio.padded(microcode) + head + store.read(rest))


def compressed(archive: list[cpio.Entry], store: Store) -> Digest:
    plain = cpio.newc(archive)
    key = key_of("initrd", zstd_argv(Path("in"), Path("out")), zstd_version(), sha256(plain))
    return Digest(store.once(key, partial(compress, store, plain))["archive"])


def compress(store: Store, archive: bytes) -> dict[str, Digest]:
    with store.workdir("initrd") as work, step("compressing the initrd"):
        (work / "archive").write_bytes(archive)
        run(zstd_argv(work / "archive", work / "archive.zst"), timeout=None)
        return {"archive": store.adopt(work / "archive.zst")}


def zstd_argv(source: Path, target: Path) -> list[str]:
    """One thread: with several the frames depend on their number."""
    return ["zstd", "-q", "-19", "--single-thread", "-f", os.fspath(source), "-o", os.fspath(target)]


def zstd_version() -> str:
    return told(["zstd", "--version"]).strip()
