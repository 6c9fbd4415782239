"""Ends the programs under way when this one is killed in a way that no handler sees (SIGKILL, the kernel's OOM killer).

One watcher for all of them: a shell that is told each process group that begins and ends, over a pipe whose other end only this
process has. When the pipe ends it kills the groups that are left, with everything in them: prctl's PR_SET_PDEATHSIG would reach
the first process of each alone, none of what that one has started, and would come when the *thread* ends that started it.
"""

import atexit
import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import IO

# Reads "+ GROUP" and "- GROUP", a line each.
_WATCH = """
groups=' '
while read -r sign group; do
    case $sign$groups in
        +*) groups="$groups$group " ;;
        -*" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
"""
_watcher: "subprocess.Popen[bytes] | None" = None
_lock = threading.Lock()


def watch() -> IO[bytes]:
    """The watcher's pipe, which no program inherits; the watcher is started where there is none."""
    global _watcher
    with _lock:
        if _watcher is None or _watcher.poll() is not None:
            if _watcher and _watcher.stdin:
                _watcher.stdin.close()
            _watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", env={}, bufsize=0, start_new_session=True,
            )  # fmt: skip
        assert _watcher.stdin
        return _watcher.stdin


def began(group: int, pipe: IO[bytes]) -> None:
    _tell(pipe, f"+ {group}\n")


def ended(group: int) -> None:
    """To be told once nothing of the group is left, since its number may then be another's."""
    _tell(watch(), f"- {group}\n")


def _tell(pipe: IO[bytes], line: str) -> None:
    with suppress(OSError, ValueError):  # the watcher was killed: what is under way has none, what starts later has a new one
        pipe.write(line.encode())


def began_here(pipe: IO[bytes]) -> None:
    """For a new process that leads its group, before it runs its program: so there is no moment in which it is forgotten."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    began(os.getpid(), pipe)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@atexit.register
def _stop() -> None:
    if _watcher and _watcher.stdin:
        _watcher.stdin.close()
        _watcher.wait()
