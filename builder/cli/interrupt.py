"""Ctrl-C, SIGTERM and a closed terminal all end a run in the same way: children and unfinished files are cleaned up."""

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = signal.SIGALRM
SOON = 0.02  # seconds


class Interrupt:
    """Turns the signals into KeyboardInterrupt, and remembers that one came.

    Where Python can't raise, as in a weak reference's callback and in `__del__`, it drops what was raised: it comes again then.
    """

    def __init__(self) -> None:
        self.came = False
        self._others = sys.unraisablehook
        sys.unraisablehook = self._dropped
        signal.signal(AGAIN, self)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and a shell's `&` leave it
                signal.signal(number, self)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt

    def _dropped(self, what: "sys.UnraisableHookArgs") -> None:
        if what.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, SOON)
        else:
            self._others(what)


def ignore_interrupts() -> None:
    """For a clean-up at a run's end: a second Ctrl-C does not stop it half-way."""
    for number in (*SIGNALS, AGAIN):
        signal.signal(number, signal.SIG_IGN)
