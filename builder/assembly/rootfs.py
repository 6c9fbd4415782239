"""An image's tree below a prefix, filtered as LinuxKit filters every image (ImageTar of moby/build/image.go)."""

import tarfile
from collections.abc import Iterator

from builder import tarball
from builder.assembly.flatten import image_entries
from builder.assembly.pax import Content, Entry, Span
from builder.assembly.references import image_named
from builder.errors import BuildError
from builder.references import expand
from builder.store import Store
from builder.tarball import EPOCH

# PAX records by which LinuxKit tells where an entry comes from (moby/const.go).
SOURCE, LOCATION = "LINUXKIT.source", "LINUXKIT.location"
DROPPED = frozenset((".dockerenv", "Dockerfile", "dev/console", "dev/pts", "dev/shm", "etc/hostname"))
REPLACED = {
    "etc/hosts": (
        b"127.0.0.1       localhost\n::1     localhost ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\n"
        b"ff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    ),
    "etc/resolv.conf": b"\n# no resolv.conf configured\n",
}
MOUNTS = "etc/mtab"
# Always added at the end, whatever the image has: the later entry counts.
ADDED = ("dev", "dev/pts", "dev/shm", "etc", "etc/hosts", MOUNTS, "etc/resolv.conf", "proc", "sys")


def labelled(info: tarfile.TarInfo, source: str, location: str) -> tarfile.TarInfo:
    """The same header with the records of its origin."""
    info.pax_headers = {**info.pax_headers, SOURCE: source, LOCATION: location}
    return info


def generated(path: str, content: bytes, source: str, location: str) -> Entry:
    return labelled(tarball.entry(path, mode=0o644, size=len(content)), source, location), content


def directory(path: str, source: str, location: str) -> Entry:
    return labelled(tarball.directory(path), source, location), None


def parents(prefix: str, source: str, location: str) -> Iterator[Entry]:
    """An entry for each directory of the prefix, which has no slash at its ends."""
    parts = prefix.split("/") if prefix else []
    for count in range(1, len(parts) + 1):
        yield directory("/".join(parts[:count]), source, location)


def image_tree(store: Store, reference: str, prefix: str, location: str, resolver: str = "") -> Iterator[Entry]:
    """The image below the prefix, with its parents; with `resolver`, etc/resolv.conf is a symbolic link to it."""
    source, below = expand(reference), f"{prefix}/" if prefix else ""
    yield from parents(prefix, source, location)
    mounts_seen = False
    for info, content in image_entries(store, image_named(store, reference)):
        if info.name in DROPPED:
            continue
        mounts_seen = mounts_seen or info.name == MOUNTS
        yield _placed(*_filtered(info, content, resolver), below, source, location)
    for name in ADDED:
        if name != MOUNTS or not mounts_seen:
            yield _placed(*_added(name, resolver), below, source, location)


def _placed(info: tarfile.TarInfo, content: Content, below: str, source: str, location: str) -> Entry:
    if info.islnk():
        info.linkname = below + info.linkname
    info.name = below + info.name
    return labelled(info, source, location), content


def _filtered(info: tarfile.TarInfo, content: Content, resolver: str) -> tuple[tarfile.TarInfo, Content]:
    if info.name == MOUNTS:
        info.mtime = EPOCH
    if info.name not in REPLACED:
        return info, content
    info.mtime = EPOCH
    if resolver and info.name == "etc/resolv.conf":
        info.type, info.linkname, info.size = tarfile.SYMTYPE, resolver, 0
        return info, None
    if not isinstance(content, Span):
        raise BuildError(
            f"an image has {info.name} as something else than a file",
            why="LinuxKit puts its own content there and can't", hint="leave that path out of the image",
        )  # fmt: skip
    info.size = len(REPLACED[info.name])
    return info, REPLACED[info.name]


def _added(name: str, resolver: str) -> Entry:
    if name == MOUNTS:
        return tarball.entry(name, mode=0o755, type=tarfile.SYMTYPE, linkname="/proc/mounts"), None
    if name == "etc/resolv.conf" and resolver:
        return tarball.entry(name, mode=0o644, type=tarfile.SYMTYPE, linkname=resolver), None
    if name in REPLACED:
        return tarball.entry(name, mode=0o644, size=len(REPLACED[name])), REPLACED[name]
    return tarball.directory(name), None
