"""Whether a file named by its digest is whole: what was written shortly before a loss of power may have a name and no content.

Nothing is forced to the disk (fsync(2)), which would hold a build up by all that it writes. Instead each file has a note with its
size and the boot of this machine in which it was written. Within that boot nothing can have been lost, and the size alone is
looked at; in the next one the content is hashed at its first use, and what is right then is on the disk for good.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from builder.progress import warn

SETTLED = "settled"  # instead of a boot: seen whole in a later one


@dataclass
class Notes:
    """The notes of the files of one folder, in another one. A note that is missing or torn only costs a hash.

    boot: this boot of the machine, by its id.
    """

    folder: Path
    boot: str
    _sizes: dict[str, int] = field(default_factory=dict)

    def wrote(self, file: Path) -> None:
        """To be told once a new file has its name. Until `forget` was told, the note of an older one vouches for it."""
        self._note(file.name, file.stat().st_size, self.boot)

    def forget(self, name: str) -> None:
        self._sizes.pop(name, None)
        with suppress(OSError):
            (self.folder / name).unlink(missing_ok=True)

    def is_whole(self, file: Path) -> bool:
        """Whether the file, whose name is the SHA-256 of what it must hold, is there and does. Who finds it damaged says so."""
        try:
            size = file.stat().st_size
        except FileNotFoundError:
            return False
        if self._sizes.get(file.name) == size:
            return True
        noted, boot = self._read(file.name)
        if noted == size and boot in (self.boot, SETTLED):
            self._sizes[file.name] = size
            return True
        if noted not in (size, None) or _sha256(file) != file.name:
            warn(f"{file} has lost its content, by a loss of power or a fault of the disk; it is made again")
            return False
        self._note(file.name, size, SETTLED if boot else self.boot)
        return True

    def _read(self, name: str) -> tuple[int | None, str]:
        """Size and boot; None and "" where nothing is known."""
        try:
            size, boot = (self.folder / name).read_text().split()
            return int(size), boot
        except (OSError, ValueError):
            return None, ""

    def _note(self, name: str, size: int, boot: str) -> None:
        self._sizes[name] = size
        with suppress(OSError):
            (self.folder / name).write_text(f"{size} {boot}")


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
