"""A node's clock beside this host's: certificates and leases of a cluster whose clocks disagree are not valid yet, or no more."""

import time
from collections.abc import Callable

from builder.checks import NotYet
from builder.errors import CheckError

MAX_OFFSET = 5.0
"""Seconds; etcd and Kubernetes bear about as much, the leases of an elected leader being renewed every few seconds."""

_WAY_OUT = "name time servers that the node reaches (recipe: time, metadata: ntp, DHCP: option 42), or set the machine's clock"


ASKED = "date +%s"


def offset(ask: Callable[[str], str]) -> float:
    """Seconds by which a node's clock is ahead of this host's for sure: not counting the time that its answer took.

    ask: runs a command on the node and returns its output.
    """
    before = time.time()
    answer = ask(ASKED).split()
    after = time.time()
    if len(answer) != 1 or not answer[0].isdigit():
        raise NotYet(f"date says {' '.join(answer)!r}")
    told = float(answer[0])  # and up to one second more
    return told - after if told > after else min(0.0, told + 1 - before)


def agrees(ask: Callable[[str], str]) -> str:
    """The look of a check: what the offset is. Raises NotYet where it is too large."""
    found = offset(ask)
    if abs(found) > MAX_OFFSET:
        raise NotYet(f"{_shown(found)} this host's")
    return f"within {MAX_OFFSET:.0f} s of this host's"


def demand_clock(name: str, ask: Callable[[str], str]) -> None:
    """Before kubeadm, which makes certificates by it. Raises CheckError."""
    try:
        agrees(ask)
    except NotYet as reason:
        raise CheckError(f"the clock of {name} is wrong", why=f"it is {reason}", hint=_WAY_OUT) from reason


def _shown(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"
