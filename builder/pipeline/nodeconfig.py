"""A node's own configuration (NoCloud's files): read on this host by the program that reads it on a node."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.components.registry import find
from builder.errors import InputError
from builder.media.inspection import DESCRIPTOR, MAGIC
from builder.pipeline.guestinfo import is_guestinfo, unpack
from builder.project import Project
from builder.run import run
from builder.store import Store

READER = "metadata"
FILES = ("meta-data", "user-data", "network-config", "config")
"""What a volume may have: NoCloud's files, and LinuxKit's."""

LARGEST = 64 << 20  # bytes of a volume; a node reads files of 16 MiB at most
WARNING = re.compile(r"^metadata: warning: [^:]*: ", re.MULTILINE)
FAULT = re.compile(r"^metadata: [^:]*: ", re.MULTILINE)
MISTAKE = 2  # the program's exit code for what the user has to put right


@dataclass(frozen=True)
class Verdict:
    """What a node would make of its configuration: a summary, what makes no difference to it, and what it can't honour."""

    summary: str
    warnings: tuple[str, ...]
    faults: tuple[str, ...]


def read_as_node(files: Path, project: Project, store: Store, *, offline: bool = False) -> Verdict:
    """What the node's program says of the files in a folder. It touches nothing of this host but the cache.

    Raises BuildError where the program can't be had.
    """
    program = store.path(find(READER, store, project, offline=offline).files[READER])
    with TemporaryDirectory(prefix="kubeiso-") as root:
        done = run([program, "-from", files, "-root", root, "-dry-run"], check=False)
    text = done.stderr
    warnings = [line for line in text.splitlines() if WARNING.match(line)]
    faults = [line for line in text.splitlines() if line not in warnings]
    if done.code not in (0, MISTAKE):
        raise InputError(f"the configuration in {files} can't be read", details=tuple(faults))
    told = FAULT.sub("", "\n".join(faults))
    return Verdict(
        summary=FAULT.sub("", done.stdout.strip()),
        warnings=tuple(WARNING.sub("", line) for line in warnings),
        faults=tuple(told.split("; ")) if done.code == MISTAKE else (),
    )


@contextmanager
def laid_out(given: Path) -> Iterator[Path]:
    """A folder with the files of what was given: a folder, a volume (ISO 9660 or FAT), guestinfo's values, or
    one file, mostly user-data.

    Raises InputError for what can't be read.
    """
    if given.is_dir():
        yield given
        return
    if not given.is_file():
        raise InputError(
            f"{given} can't be read", why="there is no such file or folder", hint=f"such as a folder with {FILES[1]}"
        )
    if given.stat().st_size > LARGEST:
        raise InputError(f"{given} is no configuration of a node", why=f"it has more than {LARGEST >> 20} MiB")
    with TemporaryDirectory(prefix="kubeiso-") as work:
        folder = Path(work) / "volume"
        folder.mkdir()
        _unpack(given, folder)
        yield folder


def _unpack(given: Path, folder: Path) -> None:
    start = given.read_bytes()[: DESCRIPTOR + len(MAGIC)]
    if start[DESCRIPTOR:] == MAGIC:
        run(["xorriso", "-indev", f"stdio:{given.absolute()}", "-osirrox", "on", "-extract", "/", folder])
        return
    if start[510:512] == b"\x55\xaa":  # a FAT file system's boot sector (Microsoft, FAT specification)
        run(["mcopy", "-s", "-n", "-i", given, "::*", folder])
        return
    if is_guestinfo(given):
        unpack(given, folder)
        return
    (folder / (given.name if given.name in FILES else "user-data")).write_bytes(given.read_bytes())


def put_together(hostname: str, keys: tuple[str, ...], given: Mapping[str, Path]) -> dict[str, bytes]:
    """NoCloud's files of a name, SSH keys, and files that the user has. Raises InputError for two of one kind."""
    files = {name: path.read_bytes() for name, path in given.items()}
    if (hostname or keys) and "meta-data" in files:
        raise InputError("--hostname and --ssh-key go into meta-data, which was given as a file", hint="write them there")
    if "meta-data" not in files:
        lines = [f"local-hostname: {hostname}"] if hostname else []
        lines += ["public-keys:", *(f"- {key}" for key in keys)] if keys else []
        files["meta-data"] = ("".join(f"{line}\n" for line in lines) or "{}\n").encode()
    return files
