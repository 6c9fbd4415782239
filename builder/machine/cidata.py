"""A metadata volume: what a node finds out about itself, as a small ISO 9660 file system with the label cidata.

The label and the files' names are NoCloud's (cloud-init's documentation, "NoCloud").
"""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from builder.aside import aside
from builder.errors import InputError
from builder.run import run
from builder.tarball import EPOCH

LABEL = "cidata"
_TIME = time.strftime("%Y%m%d%H%M%S00", time.gmtime(EPOCH))


def make_cidata(files: Mapping[str, bytes], target: Path) -> None:
    """Makes a volume with these files; names are plain, without folders. Same files, same bits.

    The image is for its owner alone, since metadata may be secret, and appears only when it is whole. Raises InputError for
    a name that is none, ToolMissing and BuildError.
    """
    for name in files:
        if name in ("", ".", "..") or "/" in name:
            raise InputError(f"{name!r} is no name of a file on a metadata volume")
    with tempfile.TemporaryDirectory(prefix="kubeiso-cidata-") as folder, aside(target) as made:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        made.touch(mode=0o600)
        run(_argv(Path(folder), made), env={"SOURCE_DATE_EPOCH": str(EPOCH)})


def _argv(folder: Path, target: Path) -> list[str]:
    """Rock Ridge keeps the names as they are; no padding, since nothing but a kernel reads the image."""
    return [
        "xorriso", "-as", "mkisofs", "-quiet", "-o", os.fspath(target), "-V", LABEL, "-R", "-no-pad",
        "-uid", "0", "-gid", "0", "-dir-mode", "0555", "-file-mode", "0444",
        f"--modification-date={_TIME}", "--set_all_file_dates", _TIME, os.fspath(folder),
    ]  # fmt: skip
