"""What became of each test of a long run, kept as it ends: a later run goes on with those that are left."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from builder.aside import write_aside
from builder.checks import Finding, Outcome
from builder.errors import InputError
from builder.frozen import Frozen
from builder.statefile import Kept

FILE, LOGS = "tests.jsonl", "tests"
"""Names in the folder of results: a line for each test, and what each of them said."""


class Plan(Kept):
    """The first line. build: what the tests say something about, name -> digest or version. names: the tests, in their order."""

    build: dict[str, str]
    names: tuple[str, ...]


class Result(Frozen):
    """A further line. begun: whether the test itself ran; where it did not, it is not done with. began: seconds since 1970."""

    name: str
    outcome: Outcome
    message: str
    began: float
    seconds: float
    begun: bool = True


@dataclass
class Ledger:
    """The file, open or not. A line is written whole and at once; one that was cut is as if its test had not run."""

    path: Path
    plan: Plan
    results: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def new(cls, path: Path, build: Mapping[str, str], names: tuple[str, ...]) -> "Ledger":
        made = cls(path, Plan(build=dict(build), names=names))
        made._write()
        return made

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """Raises InputError where no run left one that can be gone on with."""
        hint = "leave --resume out: the run begins anew"
        try:
            first, *lines = path.read_bytes().splitlines()
            plan = Plan.model_validate_json(first, extra="ignore")
        except FileNotFoundError as error:
            raise InputError("there is no run to resume", why=f"{path} does not exist", hint=hint) from error
        except ValueError as error:  # pydantic's ValidationError is one
            raise InputError("the run can't be resumed", why=f"{path} is cut or damaged at its beginning", hint=hint) from error
        return cls(path, plan, {result.name: result for result in map(_result, lines) if result and result.name in plan.names})

    @property
    def left(self) -> tuple[str, ...]:
        """The tests that have yet to run."""
        return tuple(name for name in self.plan.names if name not in self.results or not self.results[name].begun)

    @property
    def done(self) -> int:
        return len(self.plan.names) - len(self.left)

    def refuse_other(self, build: Mapping[str, str]) -> None:
        """Raises InputError where the results are those of another build."""
        if other := sorted(key for key in {*build, *self.plan.build} if build.get(key) != self.plan.build.get(key)):
            why = f"since then there is another {', another '.join(other)}"
            raise InputError("the run can't be resumed", why=why, hint="leave --resume out: the run begins anew")

    def resume(self) -> None:
        """Makes the file whole, so that a line can follow."""
        self._write()

    def add(self, result: Result) -> None:
        self.results[result.name] = result
        with self.path.open("ab") as file:
            file.write(_line(result))
            file.flush()
            os.fsync(file.fileno())

    def _write(self) -> None:
        write_aside(self.path, b"".join(map(_line, [self.plan, *self.results.values()])))

    def number(self, name: str) -> int:
        return self.plan.names.index(name) + 1

    def findings(self, started: float) -> tuple[Finding, ...]:
        """Each test as a finding. started: when the run began, in seconds since 1970."""
        return tuple(self._finding(name, started) for name in self.plan.names)

    def _finding(self, name: str, started: float) -> Finding:
        ident = f"K{self.number(name):03}"
        result = self.results.get(name)
        if result is None:
            return Finding(id=ident, name=name, outcome=Outcome.NOT_RUN, reason="not reached", began=0.0, seconds=0.0)
        earlier = " (in the run that this one resumed)" if result.began < started else ""
        return Finding(
            id=ident, name=name, outcome=result.outcome, reason=f"{result.message}{earlier}",
            began=max(0.0, result.began - started), seconds=result.seconds,
        )  # fmt: skip


def _line(value: Frozen) -> bytes:
    return value.model_dump_json().encode() + b"\n"


def _result(line: bytes) -> Result | None:
    try:
        return Result.model_validate_json(line, extra="ignore")
    except ValidationError:
        return None
