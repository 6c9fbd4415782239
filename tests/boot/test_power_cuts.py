"""The power of all machines goes at drawn moments, while a cluster forms by itself and while its pods write.

KUBEISO_POWER_CUTS: how many times (5 while it forms, 4 while pods write). KUBEISO_SEED: the seed that is printed, to draw the
same moments.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from boot_helpers import booted, planned, said
from powered import Powered

from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import ClusterPlan
from builder.progress import note

pytestmark = [pytest.mark.boot, pytest.mark.long]

SEED = int(os.environ.get("KUBEISO_SEED") or time.time())
CUTS = int(os.environ.get("KUBEISO_POWER_CUTS") or 0)
FORMING = 40.0
"""Seconds natively from running services to a worker that joined."""

WRITER = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: writer}
spec:
  selector: {matchLabels: {app: writer}}
  template:
    metadata: {labels: {app: writer}}
    spec:
      tolerations: [{operator: Exists}]
      containers:
      - name: writer
        image: docker.io/kubeiso/client:1
        command: [sh, -c, 'n=0; while :; do n=$((n + 1)); echo $n >/data/$((n % 50)); busybox sync; done']
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, hostPath: {path: /var/lib/writer, type: DirectoryOrCreate}}]
"""


@pytest.fixture(scope="module")
def plan(out: Path) -> ClusterPlan:
    """A master and a worker with state disks, which form their cluster by themselves."""
    made = planned(out, workers=1, unattended=True)
    return replace(made, hardware=made.hardware.model_copy(update={"disk": 4096}))


def wait_and_look(powered: Powered, seconds: float) -> str:
    """The identity that the cluster last had in so many seconds."""
    seen, until = "", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if left > 5:
            seen = powered.identity() or seen
        time.sleep(min(2.0, max(0.0, until - time.monotonic())))
    return seen


def moment(title: str, number: int) -> float:
    """A part of one, the same for the same seed."""
    part = random.Random(f"{SEED} {title} {number}").random()
    note(f"KUBEISO_SEED={SEED}: {title}, cut {number} at {part:.2f}")
    return part


@pytest.mark.parametrize("number", range(CUTS or 5))
def test_a_first_boot_that_loses_power_ends_in_the_one_cluster(plan: ClusterPlan, number: int) -> None:
    part = moment("a first boot", number)
    with booted(replace(plan, name=f"t-cut-{number}")) as (cluster, machines, scale):
        powered = Powered(cluster, machines, scale)
        before = wait_and_look(powered, part * FORMING * scale)
        powered.cut()
        powered.start()
        powered.becomes_whole()
        after = powered.identity()
        assert after and before in ("", after), f"another cluster, after a cut at {part:.2f} of its forming"


def test_pods_that_write_while_the_power_goes_harm_neither_etcd_nor_images(plan: ClusterPlan) -> None:
    with booted(replace(plan, name="t-cuts")) as (cluster, machines, scale):
        powered = Powered(cluster, machines, scale)
        powered.becomes_whole()
        kubectl = Kubectl(cluster)
        kubectl.text("apply", "-f", "-", input=WRITER)
        before, images = powered.identity(), whole_images(powered)
        for number in range(CUTS or 4):
            powered.passes([Check("writer", "a pod writes on each node", _rolled_out(kubectl, len(cluster.nodes)), 240)])
            time.sleep(moment("pods write", number) * 10 * powered.scale)
            if number % 2:
                lose_kubelet_conf(powered)
            powered.cut()
            powered.start()
            powered.becomes_whole()
            assert powered.identity() == before
            assert whole_images(powered) == images


def _rolled_out(kubectl: Kubectl, count: int) -> Callable[[], str]:
    def look() -> str:
        status = kubectl.get("daemonset", "writer")["status"]
        if status.get("numberReady", 0) != count or status.get("updatedNumberScheduled", 0) != count:
            raise NotYet(f"{status.get('numberReady', 0)} of {count} ready")
        return f"{count} ready"

    return look


def lose_kubelet_conf(powered: Powered) -> None:
    """As a power cut in the midst of its writing does; what it was made of is there still."""
    master = powered.machines[powered.cluster.masters[0].name]
    said(master, "test -s /var/lib/kubeadm/kubelet.conf && : >/var/lib/kubeadm/kubelet.conf && sync", 30)


BLOBS = "cd /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256 && for each in *; do echo $each  $each; done"


def whole_images(powered: Powered) -> dict[str, list[list[str]]]:
    """What containerd's own check says of every image on each node, once each is unpacked and each blob has its digest.

    "incomplete" is as it should be: archives of layers are not kept once they are unpacked. ctr writes each cell of its table by
    itself, which cat puts together for the slow line.
    """
    found = {}
    for name, machine in powered.machines.items():
        found[name] = [line.split() for line in said(machine, "ctr -n k8s.io images check | cat", 120).splitlines()[1:] if line]
        assert found[name] and all(row[-1] == "true" for row in found[name]), found[name]
        assert said(machine, f"{BLOBS} | sha256sum -c | grep -v ': OK$'; test $(ls | wc -l) -gt 0", 120) == ""
    return found
