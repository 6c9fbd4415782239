"""Smoke with each container runtime besides the default one, which all other boot tests have; and critest of each as a whole."""

from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import passes, planned, variant

from builder.acceptance.suites import known
from builder.machine.model import Attachment, Firmware
from builder.pipeline.model import BuildOptions
from builder.project import Project

pytestmark = pytest.mark.boot


@pytest.mark.parametrize("runtime", ["docker"])
def test_smoke_suite_with(runtime: str, out: Path, tmp_path: Path) -> None:
    """With a pod run by crun among those of its own OCI runtime."""
    recipe = tmp_path / "smoke.yml"
    recipe.write_text(f"runtime: {runtime}\nhandlers: [crun]\n")
    passes(variant(planned(out, recipe=recipe), f"t-{runtime}", Firmware.BIOS, Attachment.CDROM), "smoke", out)


@pytest.mark.long
@pytest.mark.parametrize("runtime", ["cri-containerd", "docker"])
def test_critest_of(runtime: str, out: Path) -> None:
    options = BuildOptions(console_login=True, extra=known()["critest"].extra)
    plan = planned(out, recipe=Project.here().recipes / f"{runtime}.yml", options=options)
    passes(replace(plan, name=f"t-critest-{runtime}"), "critest", out)
