"""Which of Kubernetes' conformance tests a run takes: all, a draw of them, or those that a name finds."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from builder.errors import BuildError, InputError
from builder.run import run

SEED = 1

# What no cluster without a registry can show; the runtimes' descriptions have what a runtime can't (conformance_without).
OFFLINE: Mapping[str, str] = {
    "[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35]"
    " [Conformance]": "asks registry.k8s.io for the image at each start (pull policy Always), and looks for Alpine Linux in it",
}


@dataclass(frozen=True)
class Choice:
    """What is asked for. draw: so many of the tests, None for all; the same seed draws the same. focus: a regular expression."""

    draw: int | None = None
    seed: int | None = None
    focus: str = ""

    @property
    def made(self) -> bool:
        return self != Choice()


def conformance_tests(e2e_test: Path) -> tuple[str, ...]:
    """The full names of the tests that the program itself calls conformance tests, in its order (test/conformance/testdata).

    Raises BuildError where it tells none.
    """
    told = run([e2e_test, "--list-conformance-tests"]).stdout
    try:
        listed = yaml.safe_load(told)
        names = tuple(entry["codename"] for entry in listed or ())
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise BuildError("the list of Kubernetes' conformance tests can't be read", why=str(error), hint=_HINT) from error
    if not names:
        raise BuildError("e2e.test lists no conformance test", hint=_HINT)
    return names


_HINT = "e2e.test --list-conformance-tests tells them; is it Kubernetes' own?"


def chosen(names: Sequence[str], choice: Choice, without: Mapping[str, str]) -> tuple[str, ...]:
    """Those that are asked for, but for those `without` (name -> reason). Raises InputError where none is left, or too few."""
    found = [name for name in names if _focus(choice.focus).search(name)]
    if not found:
        hint = "a regular expression on their full names, such as --focus 'sig-network.*HostPort'"
        raise InputError(f"no conformance test matches --focus {choice.focus}", why=f"there are {len(names)}", hint=hint)
    left = [name for name in found if name not in without]
    if not left:
        raise InputError("what --focus finds can't pass here", details=tuple(f"{name}: {without[name]}" for name in found))
    if choice.draw is None:
        return tuple(left)
    if choice.draw > len(left):
        raise InputError(f"{choice.draw} tests can't be drawn of {len(left)}", hint=f"--draw {len(left)} or less")
    seed = SEED if choice.seed is None else choice.seed
    return tuple(sorted(left, key=lambda name: _lot(seed, name))[: choice.draw])


def _focus(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        hint = "in quotes; \\[ is a bracket of a name"
        raise InputError(f"--focus {expression} is no regular expression", why=str(error), hint=hint) from error


def _lot(seed: int, name: str) -> str:
    """The test's place in the order of a draw: the same whatever else is drawn, and with any Python."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
