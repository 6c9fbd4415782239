"""The command `kubeiso`: verbs from the neighbouring files, errors turned into exit codes."""

import signal
import sys
from types import FrameType

import typer

from builder.cli import build, clusters, host
from builder.cli.common import say
from builder.errors import KubeisoError

app = typer.Typer(
    name="kubeiso",
    help="Builds immutable Kubernetes node images with LinuxKit, boots them in QEMU and forms clusters with kubeadm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for verbs in (host.app, build.app, clusters.app):
    app.registered_commands.extend(verbs.registered_commands)


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run the way Ctrl-C does: children and unfinished files are cleaned up."""
    raise KeyboardInterrupt


def main() -> None:
    """Runs one verb. Exit codes: 2 the user's mistake, 3 a missing tool, 4 a failed build, 5 a failed check, 130 interrupted."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        app()
    except KubeisoError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted; what was finished is kept, the next run goes on from there")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
