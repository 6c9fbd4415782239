"""The Go modules that are linked into a program, as the program itself tells."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from builder.components.toolchain import go
from builder.errors import ToolMissing
from builder.progress import warn
from builder.run import failure, run
from builder.store import Digest, Store, key_of

NOT_GO = "could not read Go build info"
LOCAL = (".", "/")  # how the path of a replacement begins that is a folder (go.dev/ref/mod, go.mod's replace)
UNVERSIONED = ("", "(devel)")


@dataclass(frozen=True)
class Module:
    """A module as its author calls it; `sum` is the checksum that go.sum has of it, "" for the standard library."""

    path: str
    version: str
    sum: str = ""


def linked(programs: Iterable[Digest], store: Store) -> dict[Digest, tuple[Module, ...]]:
    """The modules of each program in the store, sorted, the standard library as `stdlib`; none where it is not Go's.

    Needs the Go toolchain for programs that were not read before; without one it warns and they have none.
    """
    found = {}
    try:
        for program in programs:
            known = store.once(key_of("go modules", 1, program), partial(_read, program, store))
            found[program] = tuple(Module(**module) for module in known["modules"])
    except ToolMissing as error:
        warn(f"the Go modules in the programs could not be read: {error.what}")
    return found


def _read(program: Digest, store: Store) -> Mapping[str, Any]:
    done = run([go().program, "version", "-m", "-json", store.path(program)], env={"GOTOOLCHAIN": "local"}, check=False)
    if done.code != 0 and NOT_GO not in done.stderr:
        raise failure(done.argv, done.code, done.stderr)
    modules = modules_of(json.loads(done.stdout)) if done.code == 0 else ()
    return {"modules": [asdict(module) for module in modules]}


def modules_of(info: Mapping[str, Any]) -> tuple[Module, ...]:
    """The modules of a debug.BuildInfo (pkg.go.dev/runtime/debug) as JSON; a folder that was built in place is none."""
    used = {module for entry in (info["Main"], *info.get("Deps", ())) for module in _replaced(entry)}
    standard = Module("stdlib", info["GoVersion"].removeprefix("go").partition(" ")[0])
    return tuple(sorted({standard, *used}, key=lambda module: (module.path, module.version)))


def _replaced(entry: Mapping[str, Any]) -> Iterator[Module]:
    module = entry.get("Replace") or entry
    if module.get("Version", "") not in UNVERSIONED and not module["Path"].startswith(LOCAL):
        yield Module(module["Path"], module["Version"], module.get("Sum", ""))
