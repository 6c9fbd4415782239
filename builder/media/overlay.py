"""What a tree must look like in a layer, so that the node's read-only overlay shows it as it was.

Overlayfs takes whiteouts and trusted.overlay.* attributes in its layers for its own. Since Linux 6.7 it shows attributes
with a second "overlay." in the name to those above, with that part taken away, and knows whiteouts as files with an attribute
(Documentation/filesystems/overlayfs.rst, "Nesting overlayfs mounts").
"""

import copy
import posixpath
import tarfile
from collections.abc import Iterable, Mapping

XATTR = "SCHILY.xattr."  # PAX record of an extended attribute, as GNU tar, bsdtar and mksquashfs write and read it
OVERLAY = XATTR + "trusted.overlay."
NESTED = OVERLAY + "overlay."


def xattrs(info: tarfile.TarInfo) -> dict[str, str]:
    """The extended attributes of an entry as PAX records, overlayfs' own ones escaped."""
    records = {key: value for key, value in info.pax_headers.items() if key.startswith(XATTR)}
    return {NESTED + key.removeprefix(OVERLAY) if key.startswith(OVERLAY) else key: value for key, value in records.items()}


def is_whiteout(info: tarfile.TarInfo) -> bool:
    return info.ischr() and (info.devmajor, info.devminor) == (0, 0)


def directories_with_whiteouts(infos: Mapping[str, tarfile.TarInfo]) -> frozenset[str]:
    return frozenset(posixpath.dirname(path) for path, info in infos.items() if is_whiteout(info))


def escaped(path: str, info: tarfile.TarInfo, with_whiteouts: Iterable[str]) -> tarfile.TarInfo:
    """A copy of the header under `path` for a layer: no owner names, whole seconds, only the attributes as records."""
    made = copy.copy(info)
    made.name, made.uname, made.gname, made.mtime = path, "", "", int(info.mtime)
    made.pax_headers = xattrs(info)
    if is_whiteout(info):
        made.type = tarfile.REGTYPE
        made.pax_headers[NESTED + "whiteout"] = "y"
    if path in with_whiteouts:
        made.pax_headers.setdefault(NESTED + "opaque", "x")
    return made
