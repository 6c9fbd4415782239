"""Archives, whatever they are compressed with: a file's first bytes tell."""

import bz2
import gzip
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from builder.run import spawn

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878
OPENERS: dict[bytes, Callable[[Path], IO[bytes]]] = {  # RFC 1952; bzip2; xz file format 2.1.1.1
    b"\x1f\x8b": lambda path: cast(IO[bytes], gzip.open(path)),  # noqa: SIM115
    b"BZh": lambda path: cast(IO[bytes], bz2.open(path)),  # noqa: SIM115
    b"\xfd7zXZ\x00": lambda path: cast(IO[bytes], lzma.open(path)),  # noqa: SIM115
}
BROKEN = (tarfile.TarError, EOFError, OSError, lzma.LZMAError)
"""What reading an archive that is cut or is none raises."""


def is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZSTD_MAGIC or tarfile.is_tarfile(path)


@contextmanager
def opened(archive: Path) -> Iterator[IO[bytes]]:
    """The uncompressed archive as a stream."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(ZSTD_MAGIC):
        with spawn(["zstd", "-dc", "--", archive], stderr=subprocess.DEVNULL) as process:
            assert process.stdout
            yield process.stdout
        return
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
    with opener(archive) if opener else archive.open("rb") as stream:
        yield stream
