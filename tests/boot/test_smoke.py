"""From the ISO to a cluster whose Deployment answers, with each firmware from a CD drive, and once more as a person would."""

from pathlib import Path

import pytest
from boot_helpers import passes, variant

from builder.cluster.lifecycle import ClusterPlan
from builder.machine.model import Attachment, Firmware

pytestmark = pytest.mark.boot


@pytest.mark.parametrize("firmware", list(Firmware))
def test_smoke_suite_from_a_cd(base_plan: ClusterPlan, out: Path, firmware: Firmware) -> None:
    plan = variant(base_plan, f"t-{firmware.value}-cd", firmware, Attachment.CDROM, memory=3072)
    passes(plan, "smoke", out)
