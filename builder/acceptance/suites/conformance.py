"""Kubernetes' own conformance tests."""

from builder.acceptance.run import Asked, Run, Suite
from builder.acceptance.upstream import Upstream
from builder.checks import Check, Finding
from builder.errors import InputError
from builder.spec.model import Extra

# The images that the tests name (tests/images/test_image_e2e.py), and critest for the suite full.
CONFORMANCE = Extra(name="conformance", init=("critest",), images=(
    "agnhost", "agnhost-prev", "busybox", "etcd", "glibc-dns-testing", "nautilus", "nginx-e2e", "nonewprivs", "sample-apiserver",
))  # fmt: skip


def checks(run: Run) -> list[Check]:
    assert run.e2e_test and run.ledger, "whoever runs this suite gives them"
    return Upstream(run.cluster, run.kubectl, run.e2e_test, run.ledger, run.out, run.scale, run.alive).checks()


def findings(run: Run) -> tuple[Finding, ...]:
    return run.ledger.findings(run.started) if run.ledger else ()


def refuse(asked: Asked) -> None:
    if asked.nodes < 2:
        why = "some of the tests need two nodes for their pods"
        raise InputError("the suite conformance needs two nodes", why=why, hint="--nodes 2, or more")


SUITE = Suite(
    "conformance", "Kubernetes' own conformance tests: all, a draw (--draw) or by name (--focus); --resume goes on with them",
    checks, refuse=refuse, findings=findings, e2e=True, chooses=True, extra=CONFORMANCE,
)  # fmt: skip
