"""What programs say of their versions, asked once in a run as long as a program's file stays what it is."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache

from builder.run import run, tool, words


def told(argv: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None, *, check: bool = True) -> str:
    """What the program writes to standard output. Raises as `run` does; a failure is not remembered."""
    program, *rest = words(argv)
    found = tool(program)
    state = os.stat(found)  # noqa: PTH116 - a link that leads to another file counts, too
    return _told((program, *rest), tuple((env or {}).items()), check, (found, state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(256)
def _told(argv: tuple[str, ...], env: tuple[tuple[str, str], ...], check: bool, _: tuple[str | int, ...]) -> str:
    return run(argv, env=dict(env), check=check).stdout
