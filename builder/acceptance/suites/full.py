"""All of it, and what a cluster survives."""

from builder.acceptance.conformance import Conformance
from builder.acceptance.endurance import Endurance
from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.suites import across, failover
from builder.acceptance.suites.conformance import CONFORMANCE
from builder.acceptance.suites.critest import critest
from builder.checks import Check
from builder.errors import InputError


def conformance(run: Run) -> Conformance:
    assert run.e2e_test, "whoever runs this suite gives it"
    return Conformance(run.cluster, run.e2e_test, run.out, run.scale, run.alive)


def runtime_checks(run: Run) -> list[Check]:
    return critest(run).few()


def checks(run: Run) -> list[Check]:
    endurance = Endurance(run.cluster, run.machines, run.kubectl, run.scale, run.patience, run.grown)
    several = failover.lost_master(run) if len(run.cluster.masters) > 2 else []
    return [*across.checks(run), *conformance(run).checks(), *endurance.checks(), *several]


def refuse(asked: Asked) -> None:
    if asked.nodes == asked.masters or not asked.disk:
        why = "it stops, adds and restarts workers, whose state has to survive that"
        raise InputError("the suite full needs a worker and disks", why=why, hint="such as --nodes 3 --disk 4096")


SUITE = Suite(
    "full", "across, others' tests, a worker lost, returned and added, a power cut, a master lost where there are three",
    checks, runtime_checks, refuse, e2e=True, extra=CONFORMANCE,
)  # fmt: skip
