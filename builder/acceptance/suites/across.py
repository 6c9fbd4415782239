"""What works between nodes, after what one node owes."""

from builder.acceptance.across import Across
from builder.acceptance.run import Run, Suite
from builder.acceptance.suites import smoke
from builder.checks import Check


def checks(run: Run) -> list[Check]:
    return [*smoke.checks(run), *Across(run.cluster, run.kubectl, run.patience).checks()]


SUITE = Suite("across", "smoke, and each pair of nodes both ways and without NAT, DNS on each, exec, port-forward, cp", checks)
