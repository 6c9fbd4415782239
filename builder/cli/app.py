"""The command `kubeiso`: verbs from the neighbouring files, errors turned into exit codes."""

import errno
import importlib.metadata
import os
import signal
import sys
from typing import Annotated

import typer

from builder.cli import acceptance, build, clusters, host, new, nodes, power
from builder.cli.common import say
from builder.cli.interrupt import Interrupt
from builder.errors import BuildError, KubeisoError

INTERRUPTED = 128 + signal.SIGINT
CUT_OFF = 128 + signal.SIGPIPE
# What the system refuses for a reason that the user can put right; any other OSError is a fault of this program.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}

app = typer.Typer(
    name="kubeiso",
    help="Builds immutable Kubernetes node images with LinuxKit, boots them in QEMU and forms clusters with kubeadm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (host.app, new.app, build.app, clusters.app, power.app, nodes.app, acceptance.app):
    app.registered_commands.extend(verbs.registered_commands)


def _version(asked: bool) -> None:
    if asked:
        print(f"kubeiso {importlib.metadata.version('kubeiso')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Shows the version and exits.")
    ] = False,
) -> None:
    """Options of the command itself come before the verb."""


def main() -> None:
    """Runs one verb. Exit codes: 2 the user's mistake, 3 a missing tool, 4 a failed build, 5 a failed check, 130 interrupted."""
    interrupt = Interrupt()
    try:
        app(prog_name="kubeiso")
    except KubeisoError as error:
        _fail(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tells of it once more at its end
        sys.exit(CUT_OFF)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        _fail(BuildError("this machine refuses", why=str(error), hint="make room or give the rights, and run it again"))
    except (KeyboardInterrupt, SystemExit):  # typer turns the first into the second
        if not interrupt.came:
            raise
        say("interrupted; what was finished is kept, the next run goes on from there")
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # a download that stalls has a thread of its own, for which sys.exit would wait


def _fail(error: KubeisoError) -> None:
    say(f"error: {error}")
    sys.exit(error.exit_code)
