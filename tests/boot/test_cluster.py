"""Two nodes: a worker joins, and everything works between the two."""

from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import passes

from builder.cluster.lifecycle import ClusterPlan

pytestmark = pytest.mark.boot


def test_a_master_and_a_worker(pair_plan: ClusterPlan, out: Path) -> None:
    plan = replace(pair_plan, name="t-pair")
    passes(plan, "across", out)
