"""What metadata want of a node once: files in their places, and commands before and after it is a member of its cluster."""

import shutil
import subprocess
from pathlib import Path

import pytest
from kubelet_node import Node, eventually

GIVEN = "run/config/instance"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return given(tmp_path)


def given(root: Path, name: str = "i-1") -> Node:
    node = Node.at(root)
    for path, text in {
        "id": f"{name}\n",
        "files/etc/kubernetes/audit.yaml": "policy\n",
        "files/run/cluster-api/placeholder": "here\n",
        "append/var/lib/list": "ours\n",
        "append/opt/new": "ours\n",
        "boot": "echo boot >>/ran\n",
        "before": "echo before >>/ran\n",
        "after": "echo after >>/ran; echo success >/run/cluster-api/bootstrap-success.complete\n",
    }.items():
        (node.root / GIVEN / path).parent.mkdir(parents=True, exist_ok=True)
        node.put(f"{GIVEN}/{path}", text)
    (node.root / GIVEN / "files/etc/kubernetes/audit.yaml").chmod(0o640)
    node.put("var/lib/list", "theirs\n")
    return node


def boot_again(node: Node) -> None:
    """Memory is forgotten, but for what the metadata are read into again."""
    for name in ("instance-boot", "cluster-api"):
        path = node.root / "run" / name
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    node.put("said")


def test_files_come_to_their_places_with_their_modes_and_once_for_an_instance(node: Node) -> None:
    placed = node.root / "etc/kubernetes/audit.yaml"
    assert node.run("instance.sh", "files").returncode == 0
    assert (placed.read_text(), placed.stat().st_mode & 0o777) == ("policy\n", 0o640)
    assert (node.text("var/lib/list"), node.text("opt/new")) == ("theirs\nours\n", "ours\n")
    placed.write_text("changed since")
    boot_again(node)
    assert node.run("instance.sh", "files").returncode == 0
    assert placed.read_text() == "changed since"
    assert node.text("var/lib/list") == "theirs\nours\n"
    assert node.text("run/cluster-api/placeholder") == "here\n", "what is memory is there after each boot"
    node.put(f"{GIVEN}/id", "i-2\n")
    assert node.run("instance.sh", "files").returncode == 0
    assert placed.read_text() == "policy\n", "another instance"


def test_commands_come_before_and_after_kubeadm_and_once(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put(f"{GIVEN}/before", "[ -e /calls ] || echo before >>/ran\n")
    for boot in (1, 2):
        with node.service():
            eventually(lambda: "after" in node.text("ran"), "the last command")
            eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
            eventually(lambda: node.text("ran").count("boot") == boot, "bootcmd")  # noqa: B023
        if boot == 1:
            assert node.text("run/cluster-api/bootstrap-success.complete") == "success\n"
        boot_again(node)
    assert node.text("ran").splitlines() == ["boot", "before", "after", "boot"]


def test_without_an_order_for_kubeadm_the_commands_run_beside_the_kubelet(node: Node) -> None:
    with node.service():
        eventually(lambda: "before" in node.text("ran"), "the commands")
    assert "after" not in node.text("ran")


def test_commands_after_kubeadm_wait_until_it_succeeds(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put("broken", "error: no\n")
    with node.service():
        eventually(lambda: len(node.calls("kubeadm init")) > 1, "kubeadm is tried again")
        assert "after" not in node.text("ran")
        (node.root / "broken").unlink()
        eventually(lambda: "after" in node.text("ran"), "the last command")
    assert node.text("ran").count("before") == 1


def test_a_command_that_fails_is_told_and_holds_nothing(node: Node) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443\n")
    node.put(f"{GIVEN}/before", "echo secret; false\n")
    with node.service():
        eventually(lambda: "after" in node.text("ran"), "what comes next")
    assert "report commands before failed exit code 1, see /var/log/commands.log" in node.text("console")
    assert "secret" not in node.said() + node.text("console")
    assert "secret" in node.text("var/log/commands.log")


def test_a_node_whose_metadata_want_nothing_of_the_kind_has_nothing_of_it(tmp_path: Path) -> None:
    node = Node.at(tmp_path)
    for words in ("files", "boot", "before", "after"):
        ended = node.run("instance.sh", words)
        assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")
    assert not node.has("var/lib/kubeiso")


@pytest.mark.parametrize("first", [1, pytest.param(2, marks=pytest.mark.long)], ids="every second step from {}".format)
@pytest.mark.parametrize("keeps", ["written", "synced"])
def test_a_power_cut_at_any_step_appends_nothing_twice(tmp_path: Path, keeps: str, first: int) -> None:
    code, step = -9, first - 2
    while code != 0:
        step += 2
        node = given(tmp_path / str(step))
        node.run("sync")
        node.put("cut", str(step))
        node.put("steps")
        argv = node.argv("instance.sh", "files")
        code = subprocess.run(argv, env=node.environment(), start_new_session=True, timeout=20, check=False).returncode
        node.put("cut")
        if keeps == "synced":
            shutil.rmtree(node.root / "var/lib")
            subprocess.run(["tar", "-C", node.root, "-xf", node.root / "disk.tar"], check=True)
        assert node.run("instance.sh", "files").returncode == 0
        assert node.text("var/lib/list") == "theirs\nours\n", f"after a cut at step {step}"
        assert node.text("etc/kubernetes/audit.yaml") == "policy\n", f"after a cut at step {step}"
    assert step > 10, "steps were seen"
