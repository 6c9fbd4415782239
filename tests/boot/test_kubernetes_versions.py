"""Smoke on each minor version of Kubernetes that has pins, besides the default one, which all other boot tests have."""

from pathlib import Path

import pytest
from boot_helpers import passes, planned, variant

from builder.components.description import minor, minors
from builder.components.kubernetes import NAME
from builder.machine.model import Attachment, Firmware
from builder.pipeline.kubernetes import chosen_version
from builder.project import Project

pytestmark = [pytest.mark.boot, pytest.mark.long]

PROJECT = Project.here()
OTHERS = [each for each in minors(NAME, PROJECT) if each != minor(chosen_version(PROJECT, None))]


@pytest.mark.parametrize("version", OTHERS)
def test_smoke_suite_on(version: str, out: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "smoke.yml"
    recipe.write_text(f"runtime: cri-containerd\nkubernetes: {{version: '{version}'}}\n")
    name = f"t-k8s-{version.replace('.', '-')}"
    passes(variant(planned(out, recipe=recipe), name, Firmware.UEFI, Attachment.DISK), "smoke", out)


def test_there_are_others() -> None:
    assert len(OTHERS) >= 3
