"""A pod through crictl alone, as the proof of concept of 2017 had it, then by Kubernetes."""

from builder.acceptance.redis import Redis
from builder.acceptance.run import Run, Suite
from builder.checks import Check
from builder.spec.model import Extra


def redis(run: Run) -> Redis:
    first = run.cluster.masters[0].name
    return Redis(run.cluster, run.kubectl, lambda: run.machines[first].shell(), lambda: run.scale)


def runtime_checks(run: Run) -> list[Check]:
    return redis(run).by_hand()


def checks(run: Run) -> list[Check]:
    return redis(run).by_kubernetes()


SUITE = Suite(
    "redis",
    "redis by crictl alone and as a pod: PING, MONITOR, its log",
    checks,
    runtime_checks,
    extra=Extra(name="redis", images=("redis",)),
)
