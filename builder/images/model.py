"""The description of an image: pkg/NAME/image.yml."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from builder.container import Settings
from builder.frozen import Frozen
from builder.reading.shapes import Shape

Mode = Annotated[str, Shape(r"^[0-7]{3,4}$", "an octal mode such as 0755, in quotes")]
FileMode = Annotated[str, Shape(r"^[0-7]{4}$", "an octal mode such as 4755, in quotes")]
Reference = Annotated[str, Shape(r"^[^{}\s@]*(\{version\}[^{}\s@]*)?$", "an image's full name, in which {version} may stand")]


MICROCODE = "ucode.cpio"
"""The file of a kernel image with CPU microcode."""


class KernelDescription(Frozen):
    """Which modules a kernel image keeps: globs on their paths under kernel/. What a kept module needs comes with it."""

    keep: tuple[str, ...] = Field((), description="globs; if any, only modules that match one are kept")
    drop: tuple[str, ...] = Field((), description="globs of modules that are left out of what `keep` lets in")
    microcode: dict[str, str] = Field(
        {}, description="file of /ucode.cpio -> glob of the packages' files that it is put together from"
    )


class ImageDescription(Frozen):
    """How a folder of pkg/ becomes an OCI image of one layer.

    The layer holds, later over earlier: the packages' files, the components' files, the folder `files/`, `contents`, the
    links. Everything is owned by root unless a package says otherwise; times are fixed; names are sorted.
    """

    like: str = Field("", description="another folder of pkg/, whose description gives all that this one does not say")
    image: Reference = Field(description="the image's name; {version} stands for the version of the first component")
    components: dict[str, dict[str, str]] = Field({}, description="component -> its file -> path in the image")
    packages: tuple[str, ...] = Field((), description="Debian packages; the lock has them with their dependencies")
    without: tuple[str, ...] = Field((), description="packages that the dependencies would bring and the image does not need")
    keep: tuple[str, ...] = Field((), description="globs; if any, only the packages' files that match one are kept")
    drop: tuple[str, ...] = Field((), description="globs of the packages' files that are left out, besides docs and locales")
    directories: dict[str, Mode] = Field({}, description="empty directory -> octal mode")
    modes: dict[str, FileMode] = Field({}, description="file of the packages or components -> octal mode, set-id bits included")
    links: dict[str, str] = Field({}, description="symbolic link -> target")
    applets: dict[str, str] = Field({}, description="program -> names that are links to it, in its own directory")
    contents: dict[str, str] = Field({}, description="file -> text (mode 0644)")
    kernel: KernelDescription | None = Field(None, description="makes a LinuxKit kernel image: /kernel, /kernel.tar, /ucode.cpio")
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    linuxkit: Settings = Field(Settings(), description="settings for the label org.mobyproject.config")


class PlacedFile(Frozen):
    """A file of this machine, and where it lies in the node's root; `mode` is octal."""

    path: str
    source: Path
    mode: str


class HeldImage(Frozen):
    """An image of others that a node has ready for pods.

    name: the full name, and for one of a registry (source None) the digest. source: an archive, or a folder with an OCI layout.
    """

    name: str
    source: Path | None
