"""The command `kubeiso`: verbs from the neighbouring files, errors turned into exit codes."""

import errno
import importlib
import importlib.metadata
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from builder.cli.common import say
from builder.cli.completion import typed
from builder.cli.interrupt import Interrupt
from builder.errors import BuildError, KubeisoError
from builder.progress import JsonLines, sink

INTERRUPTED = 128 + signal.SIGINT
CUT_OFF = 128 + signal.SIGPIPE
TRACEBACK = "KUBEISO_TRACEBACK"
# What the system refuses for want of room or rights.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}

# Each verb's file beside this one. Only that of the verb which is asked for is read: each knows much of the program.
VERBS = {
    "doctor": "host",
    "boot": "host",
    "new": "new",
    "check": "build",
    "render": "build",
    "build": "build",
    "lock": "pins",
    "kubernetes": "pins",
    "inspect": "inspect",
    "verify": "verify",
    "clean": "build",
    "up": "up",
    "init": "clusters",
    "join": "clusters",
    "status": "clusters",
    "down": "clusters",
    "upgrade": "upgrade",
    "stop": "power",
    "start": "power",
    "shell": "nodes",
    "logs": "nodes",
    "kubeconfig": "nodes",
    "etcd": "etcd",
    "config": "config",
    "keys": "keys",
    "test": "acceptance",
}


def _version(asked: bool) -> None:
    if asked:
        print(f"kubeiso {importlib.metadata.version('kubeiso')}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Shows the version and exits.")
    ] = False,
) -> None:
    """Options of the command itself come before the verb."""


def command_line(words: Sequence[str]) -> typer.Typer:
    """The command with the verb that comes first among the words, and with every verb where they name none."""
    app = typer.Typer(
        name="kubeiso",
        help="Builds immutable Kubernetes node images with LinuxKit, boots them in QEMU and forms clusters with kubeadm.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    verb = next((word for word in words if not word.startswith("-")), "")
    wanted = () if list(words) == ["--version"] else (VERBS[verb],) if verb in VERBS else dict.fromkeys(VERBS.values())
    for file in wanted:
        app.registered_commands.extend(importlib.import_module(f"builder.cli.{file}").app.registered_commands)
    return app


def main() -> None:
    """Runs one verb. README has the exit codes."""
    interrupt = Interrupt()
    try:
        command_line(typed(sys.argv[1:]))(prog_name="kubeiso")
    except KubeisoError as error:
        _fail(error)
    except OSError as error:
        if os.environ.get(TRACEBACK):
            raise
        _fail(_refused(error))
    except (KeyboardInterrupt, SystemExit) as ended:  # typer turns the first into the second, and a broken pipe, too
        if not interrupt.came:
            _heed_reader(ended)
            raise
        _tell(INTERRUPTED, "interrupted; what was finished is kept, the next run goes on from there")
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # a download that stalls has a thread of its own, for which sys.exit would wait


def _heed_reader(ended: BaseException) -> None:
    """Ends as a shell's programs do where nobody reads the results any more."""
    gone = isinstance(ended.__context__, BrokenPipeError)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        gone = True
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tells of it once more at its end
        sys.exit(CUT_OFF)


def _refused(error: OSError) -> BuildError:
    if error.errno in REFUSALS:
        return BuildError("this machine refuses", why=str(error), hint="make room or give the rights, and run it again")
    hint = f"put that right, and run it again; where nothing is wrong there, {TRACEBACK}=1 shows what kubeiso was at"
    return BuildError("this machine answered as it should not", why=f"{type(error).__name__}: {error}", hint=hint)


def _fail(error: KubeisoError) -> None:
    _tell(error.exit_code, f"error: {error}", error)
    sys.exit(error.exit_code)


def _tell(code: int, text: str, error: KubeisoError | None = None) -> None:
    """The last word of a run, in the way in which all else was told."""
    events = sink()
    if not isinstance(events, JsonLines):
        say(text)
    elif error:
        events.error(code, error.what, error.why, error.hint, error.details)
    else:
        events.error(code, text)
