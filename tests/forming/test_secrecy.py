"""Nothing that lets others into a cluster passes a console that is logged, nor stays in a file that is not for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster_samples import a_cluster
from machine_fakes import control_node, node
from secrets_found import kinds_in, secrets_found

from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.console.console import Console
from builder.console.control import Control
from builder.console.wire import Claim
from builder.forming import init as init_module
from builder.forming import onnode
from builder.forming import secret as secret_module
from builder.forming.authority import admin_config, new_authority
from builder.forming.init import init_master
from builder.forming.join import join_all
from builder.forming.onnode import Access
from builder.forming.secret import void

CONFIG = "kind: InitConfiguration\n---\nkind: ClusterConfiguration\n"
JOIN = "kind: JoinConfiguration\n"

# What stands for the kubelet's service: it prints what kubeadm prints, which is what its configuration holds unless it is told to
# be silent (kubeadm's flags --skip-token-print and --skip-certificate-key-print).
CTR = """#!/bin/sh
echo "$*" >>{root}/calls
case "$*" in
*"tasks exec"*kubeadm-init.sh*--skip-token-print*) echo "[kubelet-start] Starting" ;;
*"tasks exec"*kubeadm-init.sh*) echo "kubeadm join 10.0.2.15:6443 --token $(sed -n 's/.*token: //p' {root}/kubeadm.yaml)" ;;
*"tasks exec"*upload-certs*--skip-certificate-key-print*) echo "[upload-certs] Storing the certificates" ;;
*"tasks exec"*upload-certs*) printf 'Using certificate key:\\n%s\\n' "$(sed -n 's/certificateKey: //p' {root}/kubeadm.yaml)" ;;
*"tasks exec"*kubeadm-join.sh*) echo "This node has joined the cluster" ;;
*) exit 1 ;;
esac
"""
KUBECTL = """#!/bin/sh
cat >/dev/null
echo "$*" >>"$HOME/calls"
case "$*" in *delete*) [ ! -e "$HOME/refuses" ] || { echo "Unable to connect to the server: EOF" >&2; exit 1; } ;; esac
"""


@dataclass(frozen=True)
class World:
    """A cluster's directory, and the files that its nodes have in common, since they are this host's."""

    cluster: Cluster
    root: Path

    def calls(self) -> list[str]:
        return (self.cluster.directory / "calls").read_text().splitlines()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root, programs, directory = (tmp_path / name for name in ("root", "programs", "c"))
    for folder in (root, programs, directory):
        folder.mkdir()
    for program, text in ((programs / "ctr", CTR.format(root=root)), (directory / "kubectl", KUBECTL)):
        program.write_text(text)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    for name in ("_CONFIG", "_IMAGE_CONFIG", "_IMAGE_JOIN", "DISCOVERY", "PATCHES"):
        paths = {"_CONFIG": "kubeadm.yaml", "_IMAGE_CONFIG": "image.yaml", "_IMAGE_JOIN": "join.yaml"}
        monkeypatch.setattr(onnode, name, str(root / paths.get(name, name.lower())))
    monkeypatch.setattr(init_module, "_UNTAINT", str(root / "untaint"))
    monkeypatch.setattr(init_module, "ADMIN", str(root / "admin.conf"))
    (root / "image.yaml").write_text(CONFIG + "---\n" + JOIN)
    (root / "join.yaml").write_text(JOIN)
    (root / "admin.conf").write_bytes(admin_config(new_authority()))
    return World(a_cluster(2, 1, directory=directory), root)


@contextmanager
def channels(of: Node) -> Iterator[Access]:
    """A node's console, logged as QEMU does it, and the line beside it."""
    of.directory.mkdir()
    log, console, control = (of.directory / name for name in ("console.log", "console.sock", "control.sock"))

    def logged(data: bytes) -> bytes:
        with log.open("ab") as file:
            file.write(data)
        return data

    with node(console, logged), control_node(control):
        serial = Console(console, Claim(console.with_suffix(".lock")), log=log)
        own = Control(control, Claim(control.with_suffix(".lock")))
        yield Access(serial, own)
        serial.close()
        own.close()


def form(world: World) -> None:
    cluster = world.cluster
    with ExitStack() as stack:
        access = {each.name: stack.enter_context(channels(each)) for each in cluster.nodes}
        first, *others = cluster.nodes
        init_master(cluster, first, access[first.name], 1.0)
        join_all(cluster, others, access, 1.0)


def test_no_file_of_a_cluster_holds_what_lets_others_in(world: World) -> None:
    form(world)
    assert secrets_found(world.cluster.directory, lambda path: path.name != "kubeconfig") == []
    log = (world.cluster.nodes[0].directory / "console.log").read_bytes()
    assert b"[kubelet-start]" in log, "kubeadm's own path is the console's"
    assert kinds_in((world.cluster.directory / "kubeconfig").read_bytes()) == {"a private key"}
    assert kinds_in((world.root / "discovery").read_bytes() + (world.root / "kubeadm.yaml").read_bytes()) == {"a bootstrap token"}


def test_what_was_good_for_joining_is_void_afterwards(world: World) -> None:
    form(world)
    deleted = [call.split(" kube-system ")[1].split()[0] for call in world.calls() if " delete " in call]
    assert deleted[-2] == "kubeadm-certs"
    assert [name.startswith("bootstrap-token-") for name in (deleted[0], deleted[-1])] == [True, True]
    assert deleted[0] != deleted[-1]


def test_what_could_not_be_voided_is_told_with_the_command_that_does_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(secret_module, "_PAUSE", 0.0)
    monkeypatch.setattr(secret_module, "warn", told.append)
    (world.cluster.directory / "refuses").touch()
    void(Kubectl(world.cluster), "bootstrap-token-abcdef", "the token of kubeadm join")
    assert len([call for call in world.calls() if " delete " in call]) == 3
    (warning,) = told
    assert "the token of kubeadm join could not be voided (Unable to connect" in warning
    assert f"{world.cluster.kubectl} --kubeconfig={world.cluster.kubeconfig}" in warning
    assert "delete secret -n kube-system bootstrap-token-abcdef" in warning
