"""The same build once more, from its sources and in other circumstances: media are reproducible when both give the same bits."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import moment
from builder.components.debian import load_lock
from builder.components.model import DebianPackage
from builder.errors import InputError, ToolMissing
from builder.owned import mark, refuse_strange
from builder.pipeline.model import Plan
from builder.pipeline.parts import contents
from builder.progress import Step, step
from builder.project import Project
from builder.run import run, tool
from builder.store import Store, file_digest
from builder.workplace import sweep, workdir

# What a build must not depend on: time zone, language, home, umask, the number of processors, the paths of cache and results.
OTHERWISE = {"TZ": "Pacific/Chatham", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "HOME": "/nonexistent"}
UMASK = 'umask 077; exec "$@"'
ASIDE = ".kubeiso-again-"
AGAIN, MARKER, WHAT = "again", ".kubeiso-second-build", "what a second build made"
WORDS = 60  # lines of diffoscope's that are shown


@dataclass(frozen=True)
class Difference:
    """name: of a file. why: in which way its two versions differ."""

    name: str
    why: tuple[str, ...]


def again(words: Sequence[str], plan: Plan, project: Project, store: Store, out: Path) -> list[Difference]:
    """Runs `kubeiso` with these words from an empty cache, and compares what it makes with what lies in `out`.

    What was fetched by digest (Debian's packages, Go's modules) is not fetched again. Where files differ, those of the second
    build are kept in `out`/again. Raises InputError where something of the user's lies there, and what that build raises.
    """
    refuse_strange(out / AGAIN, MARKER, WHAT)
    sweep(out, ASIDE)
    with workdir(out, ASIDE) as place, step("Building once more, from the sources, in other circumstances") as stage:
        other = _other_store(place / "cache", _packages(plan, project), store)
        made = place / "out"
        argv = ["sh", "-c", UMASK, "sh", tool("taskset"), "-c", _one_processor(), sys.executable, "-m", "builder", *words]
        own = {name: value for name, value in os.environ.items() if name.startswith("KUBEISO_") or name == moment.VARIABLE}
        environment = {**own, **OTHERWISE, "KUBEISO_CACHE": str(other)}
        run([*argv, "--out", made], cwd=Path.cwd(), env=environment, timeout=None, heard=_Teller(stage))
        found = compare(out, made)
        if found:
            keep(made, out / AGAIN)
        return found


def keep(made: Path, target: Path) -> None:
    """Puts what the second build made where that of an earlier one lay. Raises InputError for what kubeiso did not make."""
    refuse_strange(target, MARKER, WHAT)
    if target.exists():
        shutil.rmtree(target)
    mark(made, MARKER, WHAT)
    made.rename(target)


def _other_store(root: Path, packages: Iterable[DebianPackage], store: Store) -> Path:
    other = Store(root)
    for package in packages:
        if store.has(package.sha256):
            os.link(store.path(package.sha256), other.path(package.sha256))
    (other.scratch("go") / "mod").symlink_to(store.scratch("go") / "mod")
    return root


def _packages(plan: Plan, project: Project) -> set[DebianPackage]:
    lock = load_lock(project.lock)
    return {package for folder in contents(project, plan, lock).values() for package in folder.packages}


def _one_processor() -> str:
    return str(min(os.sched_getaffinity(0)))


@dataclass
class _Teller:
    """Hands on what the second build is at."""

    stage: Step

    def __call__(self, line: str) -> None:
        if line.startswith("- "):
            self.stage.advance(0.0, line[2:])


def compare(one: Path, two: Path) -> list[Difference]:
    """What of two folders' files is not the same; those that the second has none of are no matter. Raises InputError for none."""
    names = sorted(path.name for path in two.iterdir() if path.is_file())
    if not names:
        raise InputError("the second build made nothing")
    return [Difference(name, _why(one / name, two / name)) for name in names if not _same(one / name, two / name)]


def _same(one: Path, two: Path) -> bool:
    return one.is_file() and file_digest(one) == file_digest(two)


def _why(one: Path, two: Path) -> tuple[str, ...]:
    if not one.is_file():
        return ("the first build made no such file",)
    try:
        told = run(["diffoscope", "--text", "-", "--max-report-size", "40000", one, two], check=False, timeout=None).stdout
        return tuple(told.splitlines()[:WORDS])
    except ToolMissing:
        place = first_difference(one, two)
        return (f"they differ from byte {place} on; apt-get install diffoscope-minimal, and it is told in what",)


def first_difference(one: Path, two: Path) -> int:
    """The place of the first byte that is not the same."""
    place = 0
    with one.open("rb") as first, two.open("rb") as second:
        while (left := first.read(1 << 20)) == (right := second.read(1 << 20)) and left:
            place += len(left)
    return place + next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def told(differences: Sequence[Difference]) -> tuple[str, ...]:
    """For an error's details."""
    return tuple(line for each in differences for line in (f"{each.name}:", *(f"  {word}" for word in each.why)))
