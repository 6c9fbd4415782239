"""Ties a process in the background to this program: however this program ends, the process ends too."""

from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

from builder.run import spawn

# Ends the process whose id is in the file $1 and whose command line names $2, once stdin is at its end or SIGTERM comes.
# At the end of stdin the process may only just be starting: it gets some seconds to write its id down.
_WATCH = """
end() { pid=$(cat "$1" 2>/dev/null) && grep -qsF -- "$2" "/proc/$pid/cmdline" && kill -TERM "$pid"; }
trap 'end "$1" "$2"; exit 0' TERM INT HUP
while read -r _; do :; done
for _ in 1 2 3 4 5 6 7 8 9 10; do end "$1" "$2" && exit 0; sleep 1; done
"""


# By the process's note, and not held by whoever took it: a leash that is forgotten must hold all the same.
_taken: dict[Path, ExitStack] = {}


def leash(pid_file: Path, mark: Path) -> None:
    """Ends the process that writes its id into `pid_file` and has `mark` in its command line, when this program ends.

    To be taken before that process is started: so there is no moment in which it could be forgotten.
    """
    unleash(pid_file)
    with ExitStack() as stack:
        stack.enter_context(spawn(["sh", "-c", _WATCH, "sh", pid_file, mark], stdin=PIPE, outlives=True))
        _taken[pid_file] = stack.pop_all()


def unleash(pid_file: Path) -> None:
    """Takes the leash away, where there is one; the process, should it still run, ends with it."""
    if stack := _taken.pop(pid_file, None):
        stack.close()
