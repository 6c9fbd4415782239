"""Pods of each handler that package registries alone give: sandboxed by gVisor, and run by crun, on one node."""

from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import passes, planned

pytestmark = [pytest.mark.boot, pytest.mark.long]  # gVisor is one of the kinds of the first hour, crun is with Docker there

HANDLERS = ("crun", "gvisor")


def test_sandbox_suite_with_gvisor_and_crun(out: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "handlers.yml"
    recipe.write_text(f"runtime: cri-containerd\nhandlers: [{', '.join(HANDLERS)}]\n")
    plan = planned(out, recipe=recipe)
    assert tuple(each.name for each in plan.runtime.classes) == HANDLERS
    passes(replace(plan, name="t-handlers"), "sandbox", out)
