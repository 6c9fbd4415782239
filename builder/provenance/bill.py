"""What is on a medium, part by part, before it is put into the words of one standard or another."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

CONTAINS, DESCRIBES, TOOL = "CONTAINS", "DESCRIBES", "BUILD_TOOL_OF"
DOCUMENT = "DOCUMENT"
"""What describes the whole."""


@dataclass(frozen=True)
class Part:
    """A part. kind: Medium, Image, Component, Debian, Go or Host. purpose: SPDX' word (2.3, 7.24).

    licence: an SPDX expression, "" where none is known; words: what its maker calls the licences, where SPDX has no name for one.
    supplier: the organisation that gives it. source: what it was made from, in a sentence. file: its name as a file.
    """

    kind: str
    name: str
    version: str
    purl: str = ""
    sha256: str = ""
    purpose: str = "LIBRARY"
    licence: str = ""
    words: str = ""
    supplier: str = ""
    source: str = ""
    file: str = ""

    @property
    def identifier(self) -> str:
        """Of letters, digits, "." and "-" alone, as SPDX wants it; the hash keeps apart what looks alike then."""
        words = (self.name, self.version, self.purl or self.sha256)
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words[:2])).strip("-")
        return f"{self.kind}-{readable}-{hashlib.sha256(repr(words).encode()).hexdigest()[:8]}"


class Bill:
    """Parts, each once, and how they relate to each other."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.relations: set[tuple[str, str, str]] = set()

    def add(self, part: Part) -> str:
        """Returns its identifier."""
        self.parts[part.identifier] = part
        return part.identifier

    def relate(self, one: str, relation: str, other: str) -> None:
        self.relations.add((one, relation, other))

    def described(self) -> Iterator[str]:
        """What the whole is about."""
        return (other for one, relation, other in sorted(self.relations) if (one, relation) == (DOCUMENT, DESCRIBES))
