"""What NetworkPolicy objects forbid and allow."""

from builder.acceptance.policies import Policies
from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.suites import smoke
from builder.checks import Check
from builder.errors import InputError


def checks(run: Run) -> list[Check]:
    return [*smoke.checks(run), *Policies(run.cluster, run.kubectl, max(5.0, 2 * run.scale)).checks()]


def refuse(asked: Asked) -> None:
    if not asked.policies:
        why = "the recipe's network takes NetworkPolicy objects and does nothing with them"
        raise InputError("the suite policies needs a network that enforces them", why=why, hint="network: {policies: true}")


SUITE = Suite(
    "policies", "smoke, and what NetworkPolicy objects forbid and allow, on a node and between nodes", checks, refuse=refuse
)
