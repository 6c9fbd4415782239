"""Ctrl-C, SIGTERM and a closed terminal all end a run in the same way: children and unfinished files are cleaned up."""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Turns the signals into KeyboardInterrupt, and remembers that one came."""

    def __init__(self) -> None:
        self.came = False
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and a shell's `&` leave it
                signal.signal(number, self)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt


def ignore_interrupts() -> None:
    """For a clean-up at a run's end: a second Ctrl-C does not stop it half-way."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
