"""A node that is switched off by its button: pods end as they wish, what they wrote is whole, and what hangs in the kernel holds
nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import booted, planned, said, shown
from powered import Powered

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.forming.onnode import in_kubelet

pytestmark = [pytest.mark.boot, pytest.mark.long]

PATIENT = """
apiVersion: v1
kind: Pod
metadata: {name: patient}
spec:
  terminationGracePeriodSeconds: 60
  tolerations: [{operator: Exists}]
  containers:
  - name: patient
    image: docker.io/kubeiso/client:1
    imagePullPolicy: Never
    command: [sh, -c, 'trap "echo term >>/kept/told; exit 0" TERM; echo begin >>/kept/told; while :; do sleep 1; done']
    lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 3; echo hook >>/kept/told']}}}
    volumeMounts: [{name: kept, mountPath: /kept}]
  volumes: [{name: kept, hostPath: {path: /var/lib/kept, type: DirectoryOrCreate}}]
"""
WRITER = """
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 5
  tolerations: [{operator: Exists}]
  containers:
  - name: writer
    image: docker.io/kubeiso/client:1
    imagePullPolicy: Never
    command: [sh, -c, 'while :; do echo again >/kept/hangs; busybox sync; sleep 0.1; done']
    volumeMounts: [{name: kept, mountPath: /kept}]
  volumes: [{name: kept, hostPath: {path: /var/lib/kept, type: DirectoryOrCreate}}]
"""
HANGING = "grep -c '^State:.D' /proc/[0-9]*/status | grep -c ':1$'"


@pytest.fixture(scope="module")
def powered(out: Path) -> Iterator[Powered]:
    made = planned(out, unattended=True)
    made = replace(made, name="t-power-off", hardware=made.hardware.model_copy(update={"disk": 4096}))
    with booted(made) as (cluster, machines, scale):
        found = Powered(cluster, machines, scale)
        found.becomes_whole()
        yield found


def runs(powered: Powered, name: str) -> Check:
    def look() -> str:
        status = Kubectl(powered.cluster).get("pod", name)["status"]
        states = status.get("containerStatuses") or [{}]
        if status["phase"] != "Running" or not states[0].get("ready"):
            raise NotYet(f"it is {status['phase']}")
        return f"runs for the {states[0]['restartCount'] + 1}. time"

    return Check(name, f"the pod {name} runs", look, 240)


def told(powered: Powered) -> list[str]:
    (machine,) = powered.machines.values()
    return said(machine, "cat /var/lib/kept/told").split()


def test_a_pod_without_a_controller_does_its_hook_ends_and_runs_again(powered: Powered) -> None:
    (machine,) = powered.machines.values()
    Kubectl(powered.cluster).text("apply", "-f", "-", input=PATIENT)
    powered.passes([runs(powered, "patient")])
    (ending,) = powered.off(3)
    assert ending.how == "powerdown"
    assert "stays mounted" not in shown(machine)
    powered.start()
    powered.becomes_whole()
    powered.passes([runs(powered, "patient")])
    assert told(powered) == ["begin", "hook", "term", "begin"], "in this order, and once each"


def test_a_container_that_hangs_in_the_kernel_does_not_hold_the_machine(powered: Powered) -> None:
    """A file system that takes no more: whoever writes to the state disk waits in the kernel, and no signal ends that."""
    (machine,) = powered.machines.values()
    Kubectl(powered.cluster).text("apply", "-f", "-", input=WRITER)
    powered.passes([runs(powered, "writer")])
    before = written(powered)
    said(machine, in_kubelet("busybox fsfreeze --freeze /var/lib/kubelet", "freeze"))
    powered.passes([Check("hangs", "a process waits in the kernel", lambda: hangs(powered), 60)])
    (ending,) = powered.off(8)
    assert ending.how == "powerdown", "the machine ended by itself"
    powered.start()
    powered.becomes_whole()
    assert written(powered) >= before > 0, "what was written before is there"


def written(powered: Powered) -> int:
    (machine,) = powered.machines.values()
    return int(said(machine, "wc -l </var/lib/kept/hangs"))


def hangs(powered: Powered) -> str:
    (machine,) = powered.machines.values()
    count = said(machine, HANGING + " || true")
    if count == "0":
        raise NotYet("none waits")
    return f"{count} wait"
