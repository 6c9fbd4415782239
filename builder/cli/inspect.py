"""The verb inspect: what a medium is, from its file alone."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from builder.cli.common import Json, choose_sink, show
from builder.media.contents import Contents, Summary, contents
from builder.store import file_digest

app = typer.Typer()
LINES = 25  # of the parts that take most room; all are in the JSON


@app.command(
    epilog="Examples:  kubeiso inspect out/kubeiso-cri-containerd-master.iso\n\n           kubeiso inspect x.qcow2 --sizes"
)
def inspect(
    file: Annotated[Path, typer.Argument(help="A medium that kubeiso made, of any format.")],
    sizes: Annotated[bool, typer.Option("--sizes", help="What takes room on it, part by part.")] = False,
    as_json: Json = False,
) -> None:
    """Tells what a medium is: its recipe, release, command line, layers, what it is made of. Needs nothing but the file."""
    choose_sink(as_json)
    found = contents(file)
    digest = file_digest(file)
    show(_told(found, digest), "\n".join([*_lines(found, digest), *(_parts(found) if sizes else ())]), as_json)


def _told(found: Contents, digest: str) -> dict[str, Any]:
    return {
        "format": found.format, "label": found.label,
        "size": found.size, "sha256": digest, "cmdline": found.cmdline, "release": found.release,
        "boot": found.boot, "bill": asdict(found.bill) if found.bill else None,
        "layers": [{"path": each.path, "size": each.packed, "unpacked": each.unpacked} for each in found.layers],
        "parts": [{"part": name, "size": packed, "unpacked": unpacked} for name, packed, unpacked in found.places()],
    }  # fmt: skip


def _lines(found: Contents, digest: str) -> list[str]:
    return [
        f"{found.release.get('PRETTY_NAME', 'a medium of kubeiso')}, {found.release.get('VARIANT_ID', 'node')}",
        *([f"built as      {found.bill.name}, {found.bill.id}"] if found.bill else ()),
        f"format        {found.format}",
        f"label         {found.label}",
        f"size          {_mb(found.size)}",
        f"digest        {digest}",
        f"command line  {found.cmdline}",
        "",
        f"{'on the medium':>14} {'unpacked':>12}",
        *(f"{_mb(size):>14} {'':>12}  {path}" for path, size in sorted(found.boot.items(), key=lambda each: -each[1])),
        *(f"{_mb(each.packed):>14} {_mb(each.unpacked):>12}  {each.path}" for each in _by_size(found)),
        *(_bill(found.bill) if found.bill else ()),
    ]  # fmt: skip


NAMED_THERE = "LicenseRef-"
"""How licences begin that have a name in a bill of materials alone (SPDX 2.3, 10.1)."""


def _bill(bill: Summary) -> list[str]:
    """What it is made of, in short; the whole is in the file that lies beside the medium, and on it."""
    kinds = ", ".join(f"{number} of the kind {kind}" for kind, number in bill.kinds.items() if kind != "Node")
    parts = ", ".join(f"{name} {version}" for name, version in sorted(bill.components.items()))
    own = [name for name in bill.licences if name.startswith(NAMED_THERE)]
    listed = ", ".join(name for name in bill.licences if name not in own)
    rest = f"; and {len(own)} that SPDX has no name for, in the bill of materials" if own else ""
    return ["", f"Made of {kinds}.", f"Components: {parts}", f"Licences: {listed}{rest}"]


def _by_size(found: Contents) -> list[Any]:
    return sorted(found.layers, key=lambda layer: -layer.packed)


def _parts(found: Contents) -> list[str]:
    """A file of several names counts for each of them in what is unpacked."""
    places = found.places()
    more = [f"{'':>28}and {len(places) - LINES} smaller ones"] if len(places) > LINES else []
    rows = [f"{_mb(packed):>14} {_mb(unpacked):>12}  {name}" for name, packed, unpacked in places[:LINES]]
    return ["", "Part by part, each with its layer's ratio:", *rows, *more]


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
