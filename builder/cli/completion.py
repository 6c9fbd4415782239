"""What a shell offers while a command is typed: verbs and options by themselves, and names that only this machine knows."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from builder.errors import KubeisoError

# What Typer's scripts for shells set (typer/_completion_classes.py); the words are zsh's and fish's, or bash's.
ASKED, WORDS, AT = "_KUBEISO_COMPLETE", ("_TYPER_COMPLETE_ARGS", "COMP_WORDS"), "COMP_CWORD"


def typed(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> Sequence[str]:
    """The words of the command: the process' own, or those that a shell asks about, less a verb that is typed just now."""
    if ASKED not in environment:
        return words
    given = next((environment[name] for name in WORDS if name in environment), "").split()[1:]
    at = environment.get(AT, "")
    return given if len(given) > 1 or (at.isdecimal() and int(at) > 1) else []


def clusters(incomplete: str) -> list[str]:
    """The clusters on this machine whose names begin so."""
    from builder.cluster import state  # late, since every verb has the option

    return _beginning(incomplete, state.names)


def recipes(incomplete: str) -> list[str]:
    """The recipes whose names begin so."""
    from builder.project import Project

    return _beginning(incomplete, lambda: sorted(path.stem for path in Project.here().folder("recipes").glob("*.yml")))


def suites(incomplete: str) -> list[str]:
    from builder.acceptance.suites import known

    return _beginning(incomplete, known)


def _beginning(incomplete: str, known: Callable[[], Iterable[str]]) -> list[str]:
    with suppress(KubeisoError, OSError):  # no place for an error: nothing is offered then
        return [name for name in known() if name.startswith(incomplete)]
    return []
