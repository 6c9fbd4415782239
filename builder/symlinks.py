"""Where a path leads in a tree with symbolic links."""

import posixpath
from collections.abc import Callable

from builder.errors import BuildError

MAX_LINKS = 40  # as many as the kernel follows (include/linux/namei.h, MAXSYMLINKS)


def resolve(
    name: str, target_of: Callable[[str], str | None], *, last: bool = False, home: Callable[[str], str] = lambda _: ""
) -> str:
    """The path without symbolic links among its directories; with `last` a link at its end is followed too.

    Paths are relative to the tree's root, which ".." does not leave. target_of: a link's target, None for what is none.
    home: the folder that is the root for what lies in it, which no link and no ".." leaves. Raises BuildError for links that
    turn in a circle.
    """
    done, todo, links = "", name.split("/"), 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done if done == home(done) else posixpath.dirname(done)
            continue
        at = posixpath.join(done, part)
        target = target_of(at) if todo or last else None
        if target is None:
            done = at
            continue
        links += 1
        if links > MAX_LINKS:
            raise BuildError(f"the root tree's symbolic links turn in a circle at /{at}")
        done = home(at) if target.startswith("/") else done
        todo = [*target.split("/"), *todo]
    return done
