"""The programs that a build and a machine want, demanded before any work is done."""

from collections.abc import Iterable

from builder.architecture import AMD64
from builder.errors import ToolMissing
from builder.media.make import MAKERS
from builder.media.prepare import TOOLS
from builder.run import PACKAGE_OF, tool

# Every build runs these, most of them at its end.
MEDIA_TOOLS = ("dpkg-deb", *TOOLS, *sorted({tool for maker in MAKERS.values() for tool in maker.tools}))
BUILD_TOOLS = ("gcc", "xz", *MEDIA_TOOLS)
RUN_TOOLS = (AMD64.qemu.program, "qemu-img")
CLUSTER_TOOLS = (*RUN_TOOLS, "vde_switch")


def demand(tools: Iterable[str]) -> None:
    """Raises ToolMissing that names every missing one, so that nobody hears of it after ten minutes of work."""
    if missing := [name for name in tools if not _is_there(name)]:
        packages = " ".join(sorted({PACKAGE_OF.get(name, name) for name in missing}))
        what = f"the program{'s' * (len(missing) > 1)} {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed"
        raise ToolMissing(what, hint=f"apt-get install {packages}   (or: make setup)")


def _is_there(name: str) -> bool:
    try:
        return bool(tool(name))
    except ToolMissing:
        return False
