"""What one node owes."""

from builder.acceptance.classes import Classes
from builder.acceptance.run import Run, Suite
from builder.acceptance.smoke import Smoke
from builder.checks import Check


def checks(run: Run) -> list[Check]:
    classes = Classes(run.cluster, run.kubectl, run.all_of, run.patience)
    return [*Smoke(run.cluster, run.kubectl, run.patience).checks(), *classes.checks()]


SUITE = Suite("smoke", "a Deployment behind a NodePort, seen from the host, DNS in a pod, a pod of each RuntimeClass", checks)
