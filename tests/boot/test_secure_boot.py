"""Secure Boot: firmware that trusts one key starts what that key signed, and nothing else."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import CONSOLES, booted, said, typing_at, variant
from media_samples import change

from builder.cli.host import usual
from builder.cluster import lifecycle
from builder.cluster.lifecycle import ClusterPlan
from builder.console.story import UNSIGNED
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware, MachineSpec
from builder.media import pe
from builder.pipeline.build import build
from builder.pipeline.plan import plan as make_plan
from builder.project import Project
from builder.recipe.model import Role
from builder.store import Store
from builder.trust import platformkeys
from builder.trust.secureboot import secure_boot

pytestmark = pytest.mark.boot
FORMATS = ("iso", "raw", "uki")
# A driver as Debian signed it, and one with a byte changed.
MODULES = """
cd /proc/1/root/run && mkdir modules && cp /proc/1/root/lib/modules/*/kernel/drivers/net/dummy.ko modules/good.ko
cp modules/good.ko modules/forged.ko && printf x | dd of=modules/forged.ko bs=1 seek=600 conv=notrunc 2>/dev/null
"""
INSERT = "nsenter -t 1 -m insmod /run/modules/{}.ko 2>&1; true"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two sets of keys that know nothing of each other."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        platformkeys.create(folder / name, name, 30)
    return {name: folder / name for name in ("ours", "theirs")}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Path]) -> dict[str, Path]:
    """The master's medium in each form, as `kubeiso build --console-login --secureboot-key` makes it."""
    project, out = Project.here(), tmp_path_factory.mktemp("signed")
    options = replace(CONSOLES, formats=FORMATS, secure=secure_boot(str(keys["ours"] / "db.key"), None))
    made = make_plan(project, project.recipes / "cri-containerd.yml", (Role.MASTER,), options)
    return {built.media.format: built.media.path for built in build(project, made, Store(), out, options)}


@contextmanager
def started(base_plan: ClusterPlan, medium: Path, trusted: Path, folder: Path, attachment: Attachment) -> Iterator[Machine]:
    spec = MachineSpec(
        name="t-secure", directory=folder / "m", medium=medium, attachment=attachment, firmware=Firmware.UEFI, keys=trusted,
        acceleration=base_plan.acceleration, memory=2048,
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        yield machine
    finally:
        machine.stop(grace=0)


def refused(base_plan: ClusterPlan, medium: Path, trusted: Path, folder: Path) -> str:
    """Why the firmware went no further."""
    with started(base_plan, medium, trusted, folder, usual(medium)) as machine:
        with pytest.raises(CheckError) as caught:
            machine.console().wait_stage("ready", Deadline.after(900))
        assert not machine.console().stages
    return str(caught.value)


def test_a_signed_medium_boots_and_locks_its_kernel(
    base_plan: ClusterPlan, signed: dict[str, Path], keys: dict[str, Path]
) -> None:
    """A driver that Debian did not sign is refused; the one that it did sign is not."""
    hardware = base_plan.hardware.model_copy(update={"keys": keys["ours"]})
    plan = replace(base_plan, media={Role.MASTER.value: signed["iso"].absolute()}, hardware=hardware)
    with booted(variant(plan, "t-secure", Firmware.UEFI, Attachment.CDROM)) as (cluster, machines, _):
        machine = machines[cluster.nodes[0].name]
        assert "Kernel is locked down from EFI Secure Boot" in said(machine, "dmesg | grep 'locked down'")
        assert "[integrity]" in said(machine, "cat /proc/1/root/sys/kernel/security/lockdown")
        said(machine, MODULES)
        assert "Key was rejected by service" in said(machine, INSERT.format("forged"))
        assert said(machine, INSERT.format("good")) == ""
        assert "dummy" in said(machine, "lsmod")


@pytest.mark.long
@pytest.mark.parametrize("form", ["raw", "uki"])
def test_a_disk_and_a_program_of_its_own_boot_too(
    base_plan: ClusterPlan, signed: dict[str, Path], keys: dict[str, Path], tmp_path: Path, form: str
) -> None:
    with started(base_plan, signed[form], keys["ours"], tmp_path, Attachment.DISK) as machine:
        lifecycle.booted(machine, 900)
        assert "Secure boot enabled" in said(machine, "dmesg | grep -i 'secure boot'")


@pytest.mark.long
def test_a_person_chooses_another_entry_of_the_menu(
    base_plan: ClusterPlan, signed: dict[str, Path], keys: dict[str, Path], tmp_path: Path
) -> None:
    """By the serial console, which is the firmware's, too."""
    with started(base_plan, signed["iso"], keys["ours"], tmp_path, Attachment.CDROM) as machine:
        with typing_at(machine) as console:
            console.expect(b"with every message of the kernel", timeout=600)
            console.send(b"\x1b[B")  # down, which ends the second that it waits, too
            time.sleep(1)
            console.send(b"\r")
        lifecycle.booted(machine, 900)
        line = said(machine, "cat /proc/cmdline")
        assert line.endswith(" ignore_loglevel"), line
        assert "Secure boot enabled" in said(machine, "dmesg | grep -i 'secure boot'")


def test_a_signed_medium_is_refused_where_another_key_is_trusted(
    base_plan: ClusterPlan, signed: dict[str, Path], keys: dict[str, Path], tmp_path: Path
) -> None:
    assert UNSIGNED in refused(base_plan, signed["iso"], keys["theirs"], tmp_path)


@pytest.mark.long
def test_a_program_of_its_own_that_was_changed_is_refused(
    base_plan: ClusterPlan, signed: dict[str, Path], keys: dict[str, Path], tmp_path: Path
) -> None:
    """One bit of its initrd."""
    changed = Path(shutil.copy(signed["uki"], tmp_path / "changed.efi"))
    initrd = pe.sections(changed)[".initrd"]
    change(changed, initrd.at + initrd.size // 2)
    assert UNSIGNED in refused(base_plan, changed, keys["ours"], tmp_path)


def test_an_unsigned_medium_is_refused(base_plan: ClusterPlan, keys: dict[str, Path], tmp_path: Path) -> None:
    assert UNSIGNED in refused(base_plan, base_plan.media[Role.MASTER], keys["ours"], tmp_path)
