"""Two nodes: a worker joins, and everything works between the two."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder.cluster import lifecycle, report, state, suite
from builder.cluster.lifecycle import ClusterPlan

pytestmark = pytest.mark.boot


def test_a_master_and_a_worker(pair_plan: ClusterPlan, out: Path) -> None:
    plan = replace(pair_plan, name="t-pair")
    with state.locked(plan.name) as directory:
        cluster = lifecycle.create(plan, directory)
        try:
            found = suite.run_suite(cluster, "across", out / plan.name)
        finally:
            lifecycle.down(plan.name)
    assert found.passed, report.text(found)
    assert not directory.exists()
