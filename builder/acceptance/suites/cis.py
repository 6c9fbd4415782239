"""The CIS Kubernetes Benchmark, as far as it can be seen from outside."""

from builder.acceptance.cis import Cis
from builder.acceptance.run import Run, Suite
from builder.acceptance.suites import smoke
from builder.checks import Check


def checks(run: Run) -> list[Check]:
    return [*smoke.checks(run), *Cis(run.cluster, run.kubectl, run.all_of).checks()]


SUITE = Suite("cis", "smoke, and the CIS Kubernetes Benchmark's points, one check for each; what listens on a node", checks)
