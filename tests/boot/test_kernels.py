"""Debian's other kernels: a node comes up with each, and a cluster with the one that lacks most."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from boot_helpers import boot, passes, planned, said

from builder.cluster.lifecycle import ClusterPlan
from builder.machine.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.long]


def plan(variant: str, out: Path, folder: Path) -> ClusterPlan:
    recipe = folder / f"{variant}.yml"
    recipe.write_text(yaml.safe_dump({"runtime": "cri-containerd", "roles": ["master"], "kernel": {"variant": variant}}))
    return replace(planned(out / variant, recipe=recipe), name=f"t-{variant}")


@pytest.fixture(scope="module")
def real_time(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    for _, machine, _ in boot(plan("rt", out, tmp_path_factory.mktemp("rt"))):
        yield machine


def test_the_real_time_kernel_runs(real_time: Machine) -> None:
    assert said(real_time, "cat /sys/kernel/realtime") == "1"
    assert "PREEMPT_RT" in said(real_time, "cat /proc/version")


def test_no_module_is_missing(real_time: Machine) -> None:
    assert "not found" not in real_time.spec.console_log.read_text(errors="replace")


def test_smoke_with_the_kernel_of_clouds(out: Path, tmp_path: Path) -> None:
    passes(plan("cloud", out, tmp_path), "smoke", out)
