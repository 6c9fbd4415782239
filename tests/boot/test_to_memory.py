"""A node that copies its medium to memory goes on when the medium is taken away."""

from pathlib import Path

import pytest
from boot_helpers import planned

from builder.cluster import lifecycle
from builder.machine.machine import Machine
from builder.machine.model import Attachment, MachineSpec
from builder.recipe.model import Role

DEVICES = "/machine/peripheral-anon"  # QEMU's devices without a name of their own

pytestmark = [pytest.mark.boot, pytest.mark.long]


def test_a_node_outlives_its_medium(out: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "memory.yml"
    recipe.write_text("runtime: cri-containerd\nroles: [master]\nkernel: {arguments: [kubeiso.toram]}\n")
    plan = planned(out, recipe=recipe)
    spec = MachineSpec(
        name="memory", directory=tmp_path / "m", medium=plan.media[Role.MASTER], acceleration=plan.acceleration,
        memory=2048, attachment=Attachment.CDROM,
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        lifecycle.booted(machine, 900)
        _outlives(machine)
    finally:
        machine.stop(grace=0)


def _outlives(machine: Machine) -> None:
    def run(command: str) -> str:
        ended = machine.shell().run(command, machine.within(120))
        assert ended.code == 0, f"{command}: {ended.output}"
        return ended.output.strip()

    (told,) = [stage for stage in machine.console().stages if stage.stage == "toram"][-1:]
    assert told.state == "ok" and (told.model_extra or {})["mib"] > 100
    assert "/dev/sr0" not in run("cat /proc/mounts")
    with machine.qmp() as qmp:
        devices = qmp.execute("qom-list", path=DEVICES)
        (drive,) = [device["name"] for device in devices if device["type"] == "child<ide-cd>"]
        qmp.execute("eject", id=f"{DEVICES}/{drive}", force=True)
    # What was read before may be in memory anyhow.
    run("echo 3 >/proc/sys/vm/drop_caches")
    run("find /hostroot/usr/sbin /containers -type f -exec cat {} + >/dev/null")
    assert run("ctr -n services.linuxkit tasks exec --exec-id v kubelet kubeadm version -o short") == "v1.36.3"
