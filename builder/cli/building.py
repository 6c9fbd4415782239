"""What the verbs that build share: what is asked of a build, and what it wants of this machine."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.assembly.choose import KINDS, choose
from builder.assembly.linuxkit import find_program
from builder.cli.common import SOURCES, pairs
from builder.errors import InputError
from builder.pipeline.model import BuildOptions
from builder.pipeline.tools import demand
from builder.reading.words import one_of
from builder.recipe.model import Role


def roles(role: str) -> tuple[Role, ...] | None:
    """`all` is every role of the recipe."""
    if role == "all":
        return None
    if role not in set(Role):
        raise InputError(f"there is no role {role}", hint=f"known are: all, {', '.join(Role)}")
    return (Role(role),)


def build_options(
    *,
    assembler: str,
    offline: bool,
    overrides: Sequence[str] | None,
    kubernetes_dir: Path | None,
    values: Sequence[str] | None,
    console_login: bool,
    source: str = "auto",
) -> BuildOptions:
    if assembler not in KINDS:
        raise InputError(f"there is no assembler {assembler}", hint=one_of(assembler, KINDS))
    if source not in SOURCES:
        raise InputError(f"there is no source {source}", hint=one_of(source, SOURCES))
    paths = {name: Path(value) for name, value in pairs("--component", overrides).items()}
    given = pairs("--set", values, empty=True)
    return BuildOptions(assembler, offline, console_login, paths, given, kubernetes_dir, source=SOURCES[source])


def demand_tools(options: BuildOptions, tools: Iterable[str]) -> None:
    """Raises ToolMissing for all that a build will want and that is not there, before any work is done."""
    demand(tools)
    if options.assembler == "linuxkit" and find_program() is None:
        choose(options.assembler)
