"""What takes longer than a look at everything may: whole suites, and smoke from each firmware and medium (`make test-all`)."""

from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import passes, planned, variant
from default_target import DEFAULT

from builder.acceptance.drawn import OFFLINE, Choice, chosen, conformance_tests
from builder.acceptance.ledger import FILE, Ledger, Result
from builder.acceptance.suites import known
from builder.assembly.linuxkit import find_program
from builder.checks import Outcome
from builder.cluster.lifecycle import ClusterPlan
from builder.machine.model import Attachment, Firmware
from builder.pipeline.clusters import e2e_test
from builder.pipeline.model import BuildOptions
from builder.project import Project
from builder.store import Store

pytestmark = [pytest.mark.boot, pytest.mark.long]

SIZES = {"full": (1, 2), "failover": (3, 1), "redis": (1, 0), "cis": (1, 1)}
"""Suites that have media of their own, or need more than a node: masters and workers."""


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize("attachment", list(Attachment))
def test_smoke_from(base_plan: ClusterPlan, out: Path, firmware: Firmware, attachment: Attachment) -> None:
    passes(variant(base_plan, f"t-{firmware.value}-{attachment.value}", firmware, attachment, memory=3072), "smoke", out)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_suite(out: Path, name: str) -> None:
    masters, workers = SIZES[name]
    options = BuildOptions(console_login=True, extra=known()[name].extra)
    plan = planned(out, masters=masters, workers=workers, options=options)
    theirs = e2e_test(Project.here(), Store(), options, DEFAULT) if known()[name].e2e else None
    hardware = plan.hardware.model_copy(update={"disk": 4096})
    passes(replace(plan, name=f"t-{name}", hardware=hardware), name, out, theirs)


@pytest.mark.skipif(find_program() is None, reason="LinuxKit's CLI is neither on PATH nor named by KUBEISO_LINUXKIT")
def test_smoke_of_what_linuxkits_own_cli_assembled(out: Path) -> None:
    plan = planned(out, options=BuildOptions(console_login=True, assembler="linuxkit"))
    passes(replace(plan, name="t-linuxkit"), "smoke", out)


def test_a_few_of_kubernetes_conformance_tests(out: Path) -> None:
    """Those that lean most on what the images have; a run that is cut goes on where it was."""
    options = BuildOptions(console_login=True, extra=known()["conformance"].extra)
    plan = planned(out, workers=1, options=options)
    theirs = e2e_test(Project.here(), Store(), options, DEFAULT)
    focus = "HostPort validates|should run through a ConfigMap lifecycle|should not allow privilege escalation when false"
    names = chosen(conformance_tests(theirs), Choice(focus=focus), OFFLINE)
    assert len(names) == 3
    where = out / "t-conformance"
    where.mkdir()
    ledger = Ledger.new(where / FILE, {}, names)
    seen = Result(name=names[0], outcome=Outcome.PASSED, message="passed", began=0.0, seconds=1.0)
    ledger.add(seen)
    passes(replace(plan, name="t-conformance"), "conformance", out, theirs, ledger)
    assert Ledger.read(where / FILE).left == () and ledger.results[names[0]] == seen


def test_every_suite_has_its_size() -> None:
    """smoke and conformance run above, across within full, sandbox in test_handlers.py, critest in test_runtimes.py."""
    assert set(known()) == {*SIZES, "smoke", "across", "sandbox", "conformance", "critest"}
