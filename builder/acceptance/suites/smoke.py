"""What one node owes."""

from builder.acceptance.run import Run, Suite
from builder.acceptance.smoke import Smoke
from builder.checks import Check


def checks(run: Run) -> list[Check]:
    return Smoke(run.cluster, run.kubectl, run.patience).checks()


SUITE = Suite("smoke", "a Deployment behind a NodePort, seen from the host, and DNS in a pod", checks)
