"""The folder of a run's results: the report in each of its forms, the consoles, the screens; and no other run's."""

import fcntl
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder import owned
from builder.acceptance import report
from builder.acceptance.model import Report
from builder.acceptance.page import console_file, page
from builder.aside import write_aside
from builder.cluster.model import Cluster
from builder.errors import InputError

MARKER, WHAT = ".kubeiso-results", "a folder of results"


@contextmanager
def results(folder: Path, keep: Collection[str] = ()) -> Iterator[Path]:
    """The folder, empty but for what has the names to `keep`, for one run at a time.

    Raises InputError where another run writes there, or kubeiso did not make it.
    """
    if all((folder / name).is_file() for name in report.FILES):  # made before there were markers
        owned.mark(folder, MARKER, WHAT)
    owned.make(folder, MARKER, WHAT)
    with (folder / MARKER).open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "wait for it, or take another --name or --out"
            raise InputError(f"another kubeiso test writes its results to {folder}", hint=hint) from error
        owned.clear(folder, MARKER, keep)
        yield folder


def write(found: Report, cluster: Cluster, folder: Path) -> None:
    """Writes the report as text, JUnit XML, JSON and one page, and beside it each node's whole console."""
    report.write(found, folder)
    for node in cluster.nodes:
        if (log := node.directory / "console.log").exists():
            shutil.copy2(log, folder / console_file(node.name))
    logs = {node.name: folder / console_file(node.name) for node in cluster.nodes}
    consoles = {name: log.read_text(errors="replace") for name, log in logs.items() if log.exists()}
    screens = {image.stem: image.read_bytes() for image in sorted(folder.glob("*.png"))}
    write_aside(folder / "report.html", page(found, consoles, screens))
