"""Smoke with each container runtime besides the default one, which all other boot tests have."""

from pathlib import Path

import pytest
from boot_helpers import passes, planned, variant

from builder.machine.model import Attachment, Firmware
from builder.project import Project

pytestmark = [pytest.mark.boot, pytest.mark.long]


@pytest.mark.parametrize("runtime", ["docker"])
def test_smoke_suite_with(runtime: str, out: Path) -> None:
    plan = planned(out, recipe=Project.here().recipes / f"{runtime}.yml")
    passes(variant(plan, f"t-{runtime}", Firmware.BIOS, Attachment.CDROM), "smoke", out)
