"""How the loss of a master is survived, after what one node owes."""

from builder.acceptance.failover import Failover
from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.suites import smoke
from builder.checks import Check
from builder.errors import InputError


def checks(run: Run) -> list[Check]:
    return [*smoke.checks(run), *lost_master(run)]


def lost_master(run: Run) -> list[Check]:
    return Failover(run.cluster, run.machines, run.kubectl).checks()


def refuse(asked: Asked) -> None:
    if asked.masters < 3 or not asked.disk:
        why = "the masters that are left must be a majority, and the lost one has to find its state again"
        hint = "such as --masters 3 --nodes 4 --disk 4096"
        raise InputError("the suite failover needs three masters and disks", why=why, hint=hint)


SUITE = Suite("failover", "smoke, and the loss and the return of the first of three masters", checks, refuse=refuse)
