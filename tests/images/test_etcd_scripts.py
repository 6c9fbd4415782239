"""A snapshot of a master's etcd, and its restore on the node, with a power cut at each step of that."""

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from kubelet_node import Node, eventually

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DB = "var/lib/etcd/member/snap/db"
WORK = "var/lib/etcd/restore"
OLD, NEW = "what there is", "what there was"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return master(tmp_path)


def master(root: Path) -> Node:
    made = Node.at(root)
    made.put("var/lib/kubelet/config.yaml", "config")
    made.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    for part in PARTS:
        made.put(f"etc/kubernetes/manifests/{part}.yaml", part)
    (made.root / DB).parent.mkdir(parents=True)
    made.put(DB, OLD)
    return made


def given(node: Node, text: str = NEW, arrives: str = "") -> subprocess.CompletedProcess[str]:
    """The first part of a restore; `arrives`: what comes to the node instead."""
    (node.root / WORK).mkdir(exist_ok=True)
    (node.root / WORK / "snapshot.db.gz").write_bytes(gzip.compress((arrives or text).encode()))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    words = ("a", "https://10.0.0.1:2380", "a=https://10.0.0.1:2380", "kubeiso-1")
    return node.run("etcd-restore.sh", "prepare", checksum, "1", "900", *words)


def standing(node: Node) -> str:
    return node.run("etcd-restore.sh", "standing").stdout.strip()


def settled(node: Node) -> bool:
    return standing(node) != "switching"


def before(node: Node) -> list[str]:
    """What was moved aside."""
    return [path.read_text() for path in (node.root / "var/lib/etcd").glob("before-*/member/snap/db")]


def is_as_it_was(node: Node) -> bool:
    return node.text(DB) == OLD and before(node) == [] and manifests_are_there(node)


def manifests_are_there(node: Node) -> bool:
    apart = (node.root / "etc/kubernetes/manifests-restore").exists()
    return not apart and all(node.text(f"etc/kubernetes/manifests/{part}.yaml") == part for part in PARTS)


def test_a_restore_takes_the_place_of_what_there_is_and_keeps_that(node: Node) -> None:
    done = given(node)
    assert done.returncode == 0 and '"revision":500' in done.stdout, done.stderr
    assert is_as_it_was(node) and standing(node) == "prepared"
    assert node.run("etcd-restore.sh", "switch").returncode == 0
    eventually(lambda: standing(node) == "idle", "the exchange")
    assert node.text(DB) == NEW and before(node) == [OLD] and manifests_are_there(node)
    words = node.text("restored")
    assert (
        "--name a --initial-advertise-peer-urls https://10.0.0.1:2380" in words and "--initial-cluster-token kubeiso-1" in words
    )
    assert "--mark-compacted --bump-revision 1000000400" in words, "beyond what anybody saw, and beyond an earlier restore"
    eventually(lambda: "report etcd restore ok" in node.text("console"), "the node tells of it")
    assert not node.has(WORK)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (("arrives", "damaged on its way"), "arrived damaged"),
        (("is", "damaged before"), "file checksum mismatch"),
        (("free", "60000"), "the disk is too full: 58 MiB are free, 64 MiB are needed"),
        (("made-by", "3.7.0"), "the snapshot is of etcd 3.7.0, this node has 3.6.8"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_can_t_be_restored_touches_nothing(node: Node, trouble: tuple[str, str], words: str) -> None:
    kind, value = trouble
    if kind in ("free", "made-by"):
        node.put(kind, value)
    done = given(node, value if kind == "is" else NEW, value if kind == "arrives" else "")
    assert done.returncode == 1 and words in done.stderr
    assert is_as_it_was(node) and not node.has(WORK)
    assert node.run("etcd-restore.sh", "switch").returncode == 1
    assert is_as_it_was(node)


def test_a_node_without_an_etcd_of_its_own_takes_no_snapshot(node: Node) -> None:
    (node.root / "etc/kubernetes/manifests/etcd.yaml").unlink()
    done = given(node)
    assert done.returncode == 1 and "no etcd of its own" in done.stderr and not node.has(WORK)


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver"])
def test_a_control_plane_that_does_not_stop_keeps_its_data(node: Node, part: str) -> None:
    given(node)
    node.put("stuck", part)
    assert node.run("etcd-restore.sh", "switch").returncode == 0
    eventually(lambda: settled(node), "it gives up")
    assert standing(node) == f"failed: {part} did not end within 20 s"
    assert is_as_it_was(node)
    eventually(lambda: f"report etcd restore failed {part} did not end" in node.text("console"), "the node tells of it")
    (node.root / "stuck").unlink()
    assert given(node).returncode == 0 and node.run("etcd-restore.sh", "switch").returncode == 0
    eventually(lambda: standing(node) == "idle", "the next one")
    assert node.text(DB) == NEW


def test_a_second_restore_waits_for_the_first(node: Node) -> None:
    given(node)
    node.put("stuck", "etcd")
    node.put("patience", "1000")
    node.run("etcd-restore.sh", "switch")
    assert standing(node) == "switching"
    for words in (("switch",), ("forget",), ("prepare", *"1234567")):
        done = node.run("etcd-restore.sh", *words)
        assert done.returncode == 1 and "restore is under way" in done.stderr
    (node.root / "stuck").unlink()
    eventually(lambda: standing(node) == "idle", "the first one")
    assert before(node) == [OLD]


def test_what_was_prepared_is_forgotten(node: Node) -> None:
    given(node)
    assert node.run("etcd-restore.sh", "forget").returncode == 0
    assert is_as_it_was(node) and standing(node) == "idle"


def test_a_master_that_lost_its_data_gets_it_from_a_snapshot(node: Node) -> None:
    shutil.rmtree(node.root / "var/lib/etcd/member")
    given(node)
    node.run("etcd-restore.sh", "switch")
    eventually(lambda: standing(node) == "idle", "the exchange")
    assert node.text(DB) == NEW and manifests_are_there(node)


def cut_at(node: Node, step: int, keeps: str) -> bool:
    """An exchange until that step; whether it came to its end before. What is left is what a disk would have."""
    node.put("cut", str(step))
    node.put("steps")
    argv = node.argv("etcd-restore.sh", "switch")
    process = subprocess.Popen(argv, env=node.environment(), start_new_session=True)
    eventually(lambda: len(node.text("steps")) >= step or not node.has(WORK), "the cut, or the end")
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    node.put("cut")
    if keeps == "synced":
        for folder in ("etc/kubernetes", "var/lib/etcd"):
            shutil.rmtree(node.root / folder)
            (node.root / folder).mkdir()
        subprocess.run(["tar", "-C", node.root, "-xf", node.root / "disk.tar"], check=True)
    return len(node.text("steps")) < step


@pytest.mark.parametrize("first", [1, pytest.param(2, marks=pytest.mark.long)], ids="every second step from {}".format)
@pytest.mark.parametrize("keeps", ["written", "synced"])
def test_a_power_cut_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, keeps: str, first: int) -> None:
    ended, step, outcomes = False, first - 2, set()
    while not ended:
        step += 2
        node = master(tmp_path / str(step))
        assert given(node).returncode == 0
        ended = cut_at(node, step, keeps)
        with node.service():
            eventually(lambda: settled(node) and manifests_are_there(node), f"it settles after a cut at step {step}")  # noqa: B023
        assert {"prepared": OLD, "idle": NEW}[standing(node)] == node.text(DB), f"after a cut at step {step}"
        assert before(node) == ([OLD] if node.text(DB) == NEW else []), f"the old data, after a cut at step {step}"
        outcomes.add(node.text(DB))
    assert outcomes == {OLD, NEW} and step > 15, "steps were seen"


def test_a_snapshot_is_made_and_told_of(node: Node) -> None:
    done = node.run("etcd-save.sh")
    assert done.returncode == 0 and '"revision":500' in done.stdout, done.stderr
    assert node.text("var/lib/etcd/save/snapshot.db") == OLD
    assert (node.root / "var/lib/etcd/save").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("alone", "etcd has no quorum: context deadline exceeded"),
        ("free", "the disk is too full: 58 MiB are free"),
        ("gone", "etcd does not run on this node"),
        ("damaged", "the snapshot is damaged"),
    ],
)
def test_a_snapshot_that_can_t_be_had_leaves_nothing(node: Node, trouble: str, words: str) -> None:
    if trouble == "gone":
        (node.root / "etc/kubernetes/manifests/etcd.yaml").unlink()
    elif trouble == "damaged":
        node.put(DB, "damaged")
    else:
        node.put(trouble, "60000")
    done = node.run("etcd-save.sh")
    assert done.returncode == 1 and words in done.stderr
    assert not node.has("var/lib/etcd/save")
