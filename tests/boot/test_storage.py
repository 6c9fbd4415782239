"""Pods whose volumes are a folder of an NFS server and a disk of an iSCSI target, one way and two; names of disks that stay."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from boot_helpers import booted, planned, said
from powered import Powered

from builder.cluster.kubectl import Kubectl
from builder.deadline import poll
from builder.errors import CheckError
from builder.forming.onnode import in_kubelet
from builder.machine.machine import Machine

pytestmark = [pytest.mark.boot, pytest.mark.long]

TARGET = "iqn.2026-01.dev.kubeiso:disk"
RECIPE = {
    "runtime": "cri-containerd",
    "roles": ["master"],
    "storage": ["udev", "iscsi", "multipath"],
    "services": [{"name": "storage-server", "image": "storage-server"}],
}
NFS = {"nfs": {"server": "127.0.0.1", "path": "/shared"}}
DISK = {"iscsi": {"targetPortal": "127.0.0.1:3260", "iqn": TARGET, "lun": 1, "fsType": "ext4"}}


@pytest.fixture(scope="module")
def formed(out: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Powered]:
    recipe = tmp_path_factory.mktemp("recipe") / "storage.yml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    with booted(replace(planned(out, recipe=recipe, unattended=True), name="t-storage")) as (cluster, machines, scale):
        found = Powered(cluster, machines, scale)
        found.becomes_whole()
        yield found


def machine(formed: Powered) -> Machine:
    return next(iter(formed.machines.values()))


def kubelet(formed: Powered, command: str) -> str:
    return said(machine(formed), in_kubelet(command, "look"), 60)


def pod(name: str, volume: dict[str, Any], command: str) -> str:
    """One that does the command once, with the volume at /data."""
    container = {
        "name": "main", "image": "docker.io/kubeiso/client:1", "command": ["sh", "-c", command],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }  # fmt: skip
    spec = {
        "restartPolicy": "Never", "tolerations": [{"operator": "Exists"}], "containers": [container],
        "volumes": [{"name": "data", **volume}], "terminationGracePeriodSeconds": 1,
    }  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def ran(formed: Powered, name: str, volume: dict[str, Any], command: str) -> str:
    """What such a pod writes; it has to end well. It is gone afterwards, its volume with it."""
    kubectl = Kubectl(formed.cluster)
    kubectl.run("apply", "-f", "-", input=pod(name, volume, command))

    def ended() -> str | None:
        phase = kubectl.get("pod", name)["status"]["phase"]
        assert phase != "Failed", kubectl.text("logs", name)
        return kubectl.text("logs", name) if phase == "Succeeded" else None

    try:
        told = poll(ended, machine(formed).within(60), what=f"the pod {name}")
    except CheckError:
        print(kubectl.text("describe", "pod", name))
        raise
    kubectl.run("delete", "pod", name)
    poll(
        lambda: "data" not in kubelet(formed, "mount | grep volumes/kubernetes.io || true") or None,
        machine(formed).within(120),
        what="the volume goes",
    )
    return told.strip()


def links(formed: Powered, folder: str) -> dict[str, str]:
    """The names in a folder of /dev/disk, and what they lead to."""
    listed = said(
        machine(formed), f"cd /dev/disk/{folder} 2>/dev/null && for each in *; do echo $each $(readlink $each); done || true"
    )
    return dict(line.split() for line in listed.splitlines() if len(line.split()) == 2)


def test_disks_have_names_that_stay(formed: Powered) -> None:
    names = poll(lambda: links(formed, "by-label") or None, machine(formed).within(30), what="links")
    assert any(name.startswith("KUBEISO_MASTER_") and target == "../../sr0" for name, target in names.items()), names
    assert any("QEMU_DVD-ROM" in name for name in links(formed, "by-id"))
    assert any(name.startswith("pci-0000:") for name in links(formed, "by-path"))
    assert "ID_FS_TYPE=iso9660" in said(
        machine(formed), "ctr -n services.linuxkit tasks exec --exec-id db udev udevadm info /dev/sr0"
    )


def test_a_folder_of_an_nfs_server_is_a_volume(formed: Powered) -> None:
    assert "type nfs4" in ran(formed, "writes", NFS, "echo written >/data/word && mount | grep /data")
    assert ran(formed, "reads", NFS, "cat /data/word") == "written"


def test_a_disk_of_an_iscsi_target_is_a_volume_and_goes_with_its_pod(formed: Powered) -> None:
    told = ran(formed, "writes-disk", DISK, "echo kept >/data/word && sync && grep /data /proc/mounts")
    assert "ext4" in told
    assert ran(formed, "reads-disk", DISK, "cat /data/word") == "kept"
    sessions = kubelet(formed, "iscsiadm -m session 2>&1 || true")
    assert "No active sessions" in sessions
    assert not any("iscsi" in name for name in links(formed, "by-path")), "the disk's names went with it"


def test_two_ways_to_one_disk_are_one_device(formed: Powered) -> None:
    address = formed.cluster.nodes[0].address
    both = {"iscsi": {**DISK["iscsi"], "portals": [f"{address}:3260"]}}
    told = ran(formed, "two-ways", both, "cat /data/word; grep /data /proc/mounts")
    assert told.startswith("kept") and ("/dev/mapper/" in told or "/dev/dm-" in told), told


def test_the_initiator_keeps_its_name_over_a_restart(formed: Powered) -> None:
    before = said(machine(formed), "cat /var/lib/iscsi/initiatorname")
    assert before.startswith("InitiatorName=iqn.2026-01.dev.kubeiso:")
    said(machine(formed), "kill -9 $(pidof iscsid | cut -d ' ' -f 1)")
    poll(
        lambda: (
            "iscsid" in said(machine(formed), "ctr -n services.linuxkit tasks ls | grep iscsid | grep RUNNING || true") or None
        ),
        machine(formed).within(60),
        what="iscsid runs again",
    )
    assert said(machine(formed), "cat /var/lib/iscsi/initiatorname") == before
