"""Large files with the same content and the same header -> one file of several names.

A squashfs holds it once, and so does a node's page cache, whatever containers run it: overlayfs maps the pages of the file below.
A name that is written to is copied up by itself, since overlayfs without `index` does not keep hard links together.
"""

import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator

from builder.media.layers import BOOT_FILES, LARGE_FILE, content_digest
from builder.media.overlay import xattrs
from builder.media.tree import Node, Tree

Paths = list[str]
Header = tuple[int, int, int, int, int, tuple[tuple[str, str], ...]]


def unite(tree: Tree) -> None:
    """Makes names of one node of those whose nodes can't be told apart by what they are and hold; the first one's stays."""
    for paths in _alike(tree, _candidates(tree)):
        for path in paths:
            tree.nodes[path] = tree.nodes[paths[0]]


def _candidates(tree: Tree) -> Iterator[Paths]:
    """Names of large files whose headers are the same."""
    found: defaultdict[Header, Paths] = defaultdict(list)
    for path, node in sorted(tree.nodes.items()):
        if node.size >= LARGE_FILE and not path.startswith(BOOT_FILES):
            found[_header(node.info)].append(path)
    return (paths for paths in found.values() if len({tree.nodes[path] for path in paths}) > 1)


def _header(info: tarfile.TarInfo) -> Header:
    """What a layer has of a file beside its name and its content."""
    return info.size, info.mode, info.uid, info.gid, int(info.mtime), tuple(sorted(xattrs(info).items()))


def _alike(tree: Tree, candidates: Iterable[Paths]) -> Iterator[Paths]:
    """Those of each group that hold the same; the content of a node is read once."""
    for group in candidates:
        digests: dict[Node, str] = {}
        found: defaultdict[str, Paths] = defaultdict(list)
        for path in group:
            node = tree.nodes[path]
            if node not in digests:
                digests[node] = content_digest(tree.tar, (node.info, node.info.offset_data))
            found[digests[node]].append(path)
        yield from (paths for paths in found.values() if len(paths) > 1)
