"""One mistake in a file that people write."""

from collections.abc import Iterable, Sized
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""Where a value is: the keys and list indices from the top of the file."""


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and where. Line and column count from 1; both are 0 when the whole file is meant, and `path` is ""."""

    path: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        return place + ": ".join(part for part in (self.path, self.message) if part) + (f" ({self.hint})" if self.hint else "")

    def located(self, file: str) -> str:
        """With the file's name before it, as editors and terminals take it: "recipes/x.yml:12:3: network.cni: ..."."""
        return f"{file}:{'' if self.line else ' '}{self}"


def dotted(path: Place) -> str:
    """("files", 0, "mode") -> "files[0].mode"."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """By line, each once."""
    return sorted(set(mistakes), key=lambda mistake: (mistake.line, mistake.column, mistake.path, mistake.message))


def counted(mistakes: Sized) -> str:
    return "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
