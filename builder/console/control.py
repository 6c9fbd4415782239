"""kubeiso's own line into a node: a virtio port that nothing logs and no person uses, served by pkg/getty's control.sh.

Over it goes all that kubeiso itself asks, and all that is secret. It is no terminal: nothing echoes, and what comes is what was
written. A port, not a virtio console: of a console QEMU drops what its reader has no room for (hw/char/virtio-console.c).
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pexpect import TIMEOUT

from builder.console.shell import Shell, new_token
from builder.console.wire import Claim
from builder.deadline import Deadline
from builder.errors import CheckError

PORT = "kubeiso.control"
"""The port's name, by which the node finds it (pkg/getty/files/usr/bin/control.sh)."""

_AGAIN = 10.0
"""Seconds after which a greeting without an answer is sent once more: one that came while another's end was taken is lost."""


class Control(Shell):
    """Commands end with their session: where this program dies, the node ends what it had asked for."""

    _interrupt = "!\n"

    def __init__(self, path: Path, claim: Claim, *, watch: Callable[[], str | None] = lambda: None) -> None:
        super().__init__(path, claim, "the control channel", watch)
        self._wire.start()

    def login(self, deadline: Deadline) -> None:
        """Greets the node's side until it answers."""
        while not deadline.expired:
            self._wire.skip()
            token = new_token()
            self._send(f"\nhello {token}\n")
            patience = min(_AGAIN, deadline.remaining)
            if self._expect([rf"{token} hello\n", TIMEOUT], Deadline.after(patience)) == 0:
                self._token = token
                return
        raise self._late(
            "the node does not answer on the control channel", deadline,
            why="its services do not run yet, or its image has no control.sh: it was built by an older kubeiso, or without the"
            " console login that `kubeiso up` builds in",
            hint="kubeiso shell shows the node's console; `kubeiso down` and `kubeiso up` make the cluster anew",
        )  # fmt: skip

    def close(self) -> None:
        """The node ends what still runs."""
        if self._token and not self._wire.ended:
            with suppress(CheckError):  # the machine may have ended a moment ago
                self._wire.send("!\n")
        super().close()
