"""Kubernetes' end-to-end tests against a cluster; small scripts stand in the program's place."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from cluster_samples import a_cluster
from others_tests import full, junit, program

from builder.acceptance.conformance import E2E, Conformance
from builder.acceptance.critest import FEW
from builder.checks import NotYet
from builder.errors import CheckError


@pytest.mark.parametrize("names", [E2E, FEW])
def test_no_name_selects_another_s_test(names: Sequence[str]) -> None:
    """They are joined to one regular expression, and each must be in one test's name only."""
    assert not any(character in name for name in names for character in r"\.+*?()[]{}|^$")
    assert not any(one in other or other in one for one, other in combinations(names, 2))


def conformance(folder: Path, report: bytes, code: int = 0, *, alive: Callable[[], None] = lambda: None) -> Conformance:
    return Conformance(a_cluster(directory=folder), program(folder, report, code), folder, 1.0, alive)


def test_e2e_is_told_where_the_cluster_is_and_its_log_is_kept(tmp_path: Path) -> None:
    assert conformance(tmp_path, junit(*((full(name), "passed") for name in E2E))).e2e() == "3 of 3 passed"
    told = (tmp_path / "e2e.log").read_text().splitlines()
    assert {f"--kubeconfig={tmp_path}/kubeconfig", f"--kubectl-path={tmp_path}/kubectl"} <= set(told)
    assert f"--ginkgo.focus={'|'.join(E2E)}" in told and "--ginkgo.timeout=270s" in told


def test_a_report_of_an_earlier_run_is_none(tmp_path: Path) -> None:
    (tmp_path / "e2e.xml").write_bytes(junit(*((full(name), "passed") for name in E2E)))
    with pytest.raises(NotYet, match="exit code 3 and no report: gone"):
        made = tmp_path / "program"
        made.write_text("#!/bin/sh\necho gone\nexit 3\n")
        made.chmod(0o755)
        Conformance(a_cluster(directory=tmp_path), made, tmp_path, 1.0, lambda: None).e2e()


def test_a_machine_that_is_gone_ends_e2e_at_once(tmp_path: Path) -> None:
    def gone() -> None:
        raise CheckError("QEMU has ended")

    with pytest.raises(CheckError, match="QEMU has ended"):
        conformance(tmp_path, b"", alive=gone).e2e()
