"""Media of any format that has a maker; to add one, add a file like iso.py and its line here."""

from collections.abc import Iterable
from pathlib import Path

from builder.errors import InputError
from builder.media import containerdisk, disk, iso, ova, pxe, uki
from builder.media.model import Maker, Media, Prepared
from builder.progress import step
from builder.store import Store, file_digest

MAKERS = {maker.format: maker for maker in (iso.MAKER, *disk.MAKERS, ova.MAKER, containerdisk.MAKER, pxe.MAKER, uki.MAKER)}
SIGNED = tuple(MAKERS.keys() - {pxe.MAKER.format})
"""The formats that have a program for UEFI of ours: what boots by iPXE has none."""


def makers(formats: Iterable[str]) -> tuple[Maker, ...]:
    """The makers of these formats. Raises InputError for one that nobody makes."""
    wanted = tuple(dict.fromkeys(formats))
    if unknown := [name for name in wanted if name not in MAKERS]:
        raise InputError(f"no medium has the format {', '.join(unknown)}", hint=f"known are: {', '.join(MAKERS)}")
    return tuple(MAKERS[name] for name in wanted)


def make_medium(maker: Maker, prepared: Prepared, store: Store, target: Path) -> Media:
    """Makes the file, which appears only when it is whole. Same input, same host tools: same bits."""
    with step(f"making {target.name}"), store.workdir(maker.format) as work:
        maker.make(prepared, store, work, target)
    return Media(
        path=target, format=maker.format, label=prepared.label, size=target.stat().st_size, sha256=file_digest(target),
        kernel=prepared.kernel, initrd=prepared.initrd, cmdline=prepared.cmdline, layers=tuple(prepared.layers.values()),
    )  # fmt: skip
