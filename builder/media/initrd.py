"""The initrd: one program, what it must know, and the modules that reach the medium."""

import json
import os
import posixpath
from functools import partial
from pathlib import Path

from builder.media import cpio
from builder.media.modules import Selection
from builder.progress import step
from builder.run import run
from builder.store import Digest, Store, key_of

CONFIG = "etc/kubeiso-initrd.json"
MOUNT_POINTS = ("dev", "proc", "run", "sys")


def config(label: str, layers: list[str], always: tuple[str, ...]) -> bytes:
    """What the initrd's program reads: the medium's label, the layers' paths on it (lowest first), modules to load."""
    return json.dumps({"label": label, "layers": layers, "load": list(always)}, indent=1).encode() + b"\n"


def members(program: bytes, settings: bytes, selection: Selection) -> list[cpio.Member]:
    """The archive's files. /dev/console is for the time before devtmpfs is mounted: the program's first output goes there."""
    files = {CONFIG: settings, **{f"lib/modules/{selection.version}/{name}": data for name, data in selection.files.items()}}
    directories = sorted({*MOUNT_POINTS, *(parent for name in files for parent in parents(name))})
    return [
        *(cpio.directory(name) for name in directories),
        cpio.character_device("dev/console", 5, 1),
        cpio.regular("init", program, 0o755),
        *(cpio.regular(name, data) for name, data in sorted(files.items())),
    ]


def parents(name: str) -> list[str]:
    found = []
    while name := posixpath.dirname(name):
        found.append(name)
    return found


def zstd_argv(source: Path, target: Path) -> list[str]:
    """One thread: with several the frames depend on their number."""
    return ["zstd", "-q", "-19", "--single-thread", "-f", os.fspath(source), "-o", os.fspath(target)]


def make_initrd(archive: list[cpio.Member], microcode: bytes, store: Store) -> Digest:
    """The compressed archive behind the (uncompressed) microcode archive, as the kernel wants them."""
    with store.writer() as writer:
        cpio.write(writer, archive)  # type: ignore[arg-type]
    key = key_of("initrd", zstd_argv(Path("a"), Path("b")), zstd_version(), writer.digest, microcode.hex())
    return Digest(store.once(key, partial(compress, store, writer.digest, microcode))["initrd"])


def compress(store: Store, archive: Digest, microcode: bytes) -> dict[str, Digest]:
    with store.workdir("initrd") as work, step("compressing the initrd"):
        run(zstd_argv(store.path(archive), work / "initrd.zst"))
        return {"initrd": store.put(microcode + (work / "initrd.zst").read_bytes())}


def zstd_version() -> str:
    return run(["zstd", "--version"]).stdout.strip()
