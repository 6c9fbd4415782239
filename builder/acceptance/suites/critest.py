"""cri-tools' tests of the runtime as a whole, then a cluster on the same node."""

from builder.acceptance.critest import Critest
from builder.acceptance.run import Run, Suite
from builder.acceptance.suites import smoke
from builder.checks import Check
from builder.spec.model import Extra

# The images that the tests name, but for those that they pull from registries.
IMAGES = ("critest-busybox", "critest-group", "critest-hostnet", "critest-httpd", "critest-nginx", "critest-nonewprivs")


def critest(run: Run) -> Critest:
    first = run.cluster.masters[0].name
    return Critest(run.cluster, run.out, run.scale, lambda: run.machines[first].shell())


def runtime_checks(run: Run) -> list[Check]:
    return critest(run).whole()


SUITE = Suite(
    "critest", "cri-tools' tests of a node's container runtime (critest), all that can pass there, then smoke",
    smoke.checks, runtime_checks, extra=Extra(name="critest", init=("critest",), images=IMAGES),
)  # fmt: skip
