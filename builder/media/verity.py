"""dm-verity over a layer: behind the squashfs come a superblock and the hash tree (cryptsetup's format, version 1).

Whoever knows the root hash knows by it each block that is read (Documentation/admin-guide/device-mapper/verity.rst).
`veritysetup verify FILE FILE ROOT --hash-offset=BYTES`, with the size of the squashfs, checks such a file anywhere.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.run import run
from builder.versions import told

BLOCK = 4096
"""Bytes of each block of data and of hashes: a page of the node's memory."""

_SAME_EACH_TIME = ("--salt=-", "--uuid=00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True)
class Root:
    """What the initrd has to know of a layer. blocks: of data, behind which the superblock is. hash: SHA-256, in hexadecimal."""

    blocks: int
    hash: str


def seal_argv(layer: Path, size: int) -> list[str]:
    """veritysetup works on plain files, and needs no root for that."""
    file = os.fspath(layer)
    sizes = (f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}", f"--hash-offset={size}")
    return ["veritysetup", "format", "--hash=sha256", *sizes, *_SAME_EACH_TIME, file, file]


def seal(layer: Path) -> Root:
    """Appends the hash tree to a squashfs. Raises BuildError with veritysetup's own words, ToolMissing."""
    size = layer.stat().st_size
    if size % BLOCK:
        raise BuildError(
            f"a layer has {size} bytes, which are no whole blocks of {BLOCK}", hint="mksquashfs pads to them by default"
        )
    said = run(seal_argv(layer, size), timeout=None).stdout
    found = re.search(r"^Root hash:\s+([0-9a-f]{64})$", said, re.MULTILINE)
    if found is None:
        raise BuildError("veritysetup told no root hash", details=tuple(said.splitlines()))
    return Root(size // BLOCK, found[1])


def veritysetup_version() -> str:
    return told(["veritysetup", "--version"]).strip()
