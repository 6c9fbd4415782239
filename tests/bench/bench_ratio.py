"""What benchmarks share: times of one run set against each other, and contents worth compressing.

A ratio says the same on a fast and on a slow machine; seconds do not, so nothing is ever asserted of them.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from builder.oci import Process, write_image
from builder.store import Store


@dataclass(frozen=True)
class Ratio:
    """`slow` and `fast` are seconds; `says` is what their ratio shows."""

    what: str
    slow: float
    fast: float
    says: str

    def __str__(self) -> str:
        return f"{self.slow / self.fast:8.2f} = {self.slow:7.3f} s / {self.fast:7.3f} s   {self.what}\n{'':33}{self.says}"


@dataclass(frozen=True)
class Ratios:
    """The ratios of a run."""

    found: list[Ratio] = field(default_factory=list)

    def add(self, what: str, slow: float, fast: float, says: str) -> float:
        """Keeps a ratio for the table, and returns it."""
        self.found.append(Ratio(what, slow, fast, says))
        return slow / fast


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """How long the work takes; the least of several times, since what else runs on a machine only ever adds."""

    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return min(once() for _ in range(times))


def prose(size: int, seed: int = 1) -> bytes:
    """Bytes that compress about as programs do: words, no two files of the same blocks."""
    source = random.Random(seed)
    words = [source.randbytes(source.randint(2, 12)) for _ in range(5000)]
    made = b"".join(source.choices(words, k=size // 6))
    return made[:size]


def image(store: Store, name: str, layer: bytes) -> str:
    """The reference of an image with one layer."""
    return write_image(store, name, [store.put(layer)], Process()).reference
