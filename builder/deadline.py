"""One kind of deadline and one kind of waiting, both on the monotonic clock, in seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from builder.errors import CheckError

T = TypeVar("T")


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock. `Deadline.after(30, scale=4)` ends in 120 s."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float, *, scale: float = 1.0) -> "Deadline":
        return cls(at=time.monotonic() + seconds * scale, seconds=seconds * scale)

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0


def poll(look: Callable[[], T | None], deadline: Deadline, *, what: str, interval: float = 1.0) -> T:
    """Calls `look` until it returns something other than None.

    A look that begins before the deadline and succeeds counts, however long it took.
    Raises CheckError naming `what` when the deadline has passed.
    """
    while True:
        last = deadline.expired
        found = look()
        if found is not None:
            return found
        if last:
            raise CheckError(f"{what}: nothing seen within {deadline.seconds:.0f} s")
        time.sleep(min(interval, max(0.05, deadline.remaining)))
