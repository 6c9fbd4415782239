"""From the ISO to a cluster whose Deployment answers; from a CD drive with BIOS, all other ways are in test_suites.py."""

from pathlib import Path

import pytest
from boot_helpers import passes, variant

from builder.cluster.lifecycle import ClusterPlan
from builder.machine.model import Attachment, Firmware

pytestmark = [pytest.mark.boot, pytest.mark.long]  # with Docker, smoke is one of the tests of the first hour


def test_smoke_suite_from_a_cd(base_plan: ClusterPlan, out: Path) -> None:
    passes(variant(base_plan, "t-bios-cd", Firmware.BIOS, Attachment.CDROM, memory=2048), "smoke", out)
