"""The benchmark's commands against a node that is as it should be, and against one that is not in that one thing."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cluster_samples import a_cluster

from builder.acceptance.cis import _WORDS, Cis, Setting, benchmark, sockets
from builder.checks import NotYet
from builder.cluster.model import Node

ROOT = os.geteuid() == 0
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue
tcp    0: 0100007F:2809 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1
tcp    1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1
tcp    2: 0F02000A:D431 0202000A:01BB 01 00000000:00000000 00:00000000 00000000 0 0 1
tcp6   0: 00000000000000000000000000000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0 0 1
tcp6   1: 00000000000000000000000001000000:2811 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0 0 1
tcp6   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0 0 1
udp    5: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1
udp    6: 0F02000A:9C41 0A0B0C0D:007B 01 00000000:00000000 00:00000000 00000000 0 0 1
"""


class Nodes:
    """Each says of its sockets what the table says, and runs words with the files of a folder."""

    def __init__(self, table: str = TABLE) -> None:
        self.table = table

    def on(self, _: Node, command: str) -> str:
        return self.table if "/proc/1/net" in command else "so it is\n"


class Api:
    """A kubelet's configuration as it runs."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def text(self, *_: str) -> str:
        return json.dumps({"kubeletconfig": self.config})


def cis(table: str = TABLE, config: dict[str, Any] | None = None) -> Cis:
    return Cis(a_cluster(1, 0), Api(config or {}), Nodes(table).on)  # type: ignore[arg-type]


def node() -> Node:
    return a_cluster(1, 0).nodes[0]


def test_what_listens_and_where() -> None:
    assert sockets(TABLE) == [
        ("tcp", "127.0.0.1", 10249), ("tcp", "0.0.0.0", 22), ("tcp6", "::", 10250), ("tcp6", "::1", 10257),
        ("tcp6", "127.0.0.1", 8080), ("udp", "0.0.0.0", 68),
    ]  # fmt: skip


def test_only_what_is_listed_is_open_to_others() -> None:
    assert cis().listens(node()) == "tcp 22, tcp 10250, udp 68"
    with pytest.raises(NotYet, match="tcp 8080 is open to others"):
        cis(TABLE.replace("0000000000000000FFFF00000100007F:1F90", "0000000000000000FFFF00000F02000A:1F90")).listens(node())
    with pytest.raises(NotYet, match="udp 5353"):
        cis(TABLE.replace("00000000:0044", "00000000:14E9")).listens(node())


def test_a_table_that_can_not_be_read_proves_nothing() -> None:
    with pytest.raises(NotYet, match="the kubelet's port is not among"):
        cis("").listens(node())


@pytest.mark.parametrize("address", ["00000000", "0F02000A"])
def test_figures_of_kube_proxy_that_others_can_read(address: str) -> None:
    assert cis().figures(node(), "127.0.0.1") == "10249 at 127.0.0.1"
    with pytest.raises(NotYet, match="10249 is open at"):
        cis(TABLE.replace("0100007F:2809", f"{address}:2809")).figures(node(), "127.0.0.1")
    with pytest.raises(NotYet, match="no address"):
        cis(TABLE.replace(":2809", ":2900")).figures(node(), "127.0.0.1")


@pytest.mark.parametrize("setting", benchmark().kubelet, ids=lambda setting: setting.id)
def test_each_setting_of_the_kubelet(setting: Setting) -> None:
    assert cis(config=nested(setting.field, setting.allowed[0])).set_so(node(), setting)
    with pytest.raises(NotYet, match=re.escape(setting.field)):
        cis(config=nested(setting.field, "something else")).set_so(node(), setting)
    if None not in setting.allowed:
        with pytest.raises(NotYet, match="is None"):
            cis(config={"other": 1}).set_so(node(), setting)


def nested(path: str, value: Any) -> dict[str, Any]:
    made = value
    for part in reversed(path.split(".")):
        made = [made] if part.isdigit() else {part: made}
    assert isinstance(made, dict)
    return made


Node_ = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(tmp_path: Path) -> Node_:
    """The words of cis.yml where pidof knows one program, which has the flags of the file `flags`."""
    (tmp_path / "pidof").write_text('#!/bin/sh\n[ "$1" = etcd ] && echo "7 8"\n')
    (tmp_path / "pidof").chmod(0o755)
    (tmp_path / "flags").write_bytes(b"etcd\0--client-cert-auth=true\0--name=x\0")
    words = _WORDS.replace('"/proc/$pid/cmdline"', str(tmp_path / "flags"))

    def run(command: str) -> "subprocess.CompletedProcess[str]":
        given = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", "-c", words + command], env=given, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=20
        )

    return run


FLAGS = {
    "has etcd --client-cert-auth=true": True, "has etcd --client-cert-auth=false": False, "has etcd --client-cert-auth": False,
    "has kubelet --client-cert-auth=true": False, "not etcd --auto-tls": True, "not etcd --client-cert-auth": False,
    "not kubelet --hostname-override": False,
}  # fmt: skip


@pytest.mark.parametrize("command", FLAGS)
def test_flags_of_a_program_that_runs(shell: Node_, command: str) -> None:
    assert (shell(command).returncode == 0) is FLAGS[command]


@pytest.mark.skipif(not ROOT, reason="files of root's")
@pytest.mark.parametrize(
    ("modes", "max", "proven"),
    [
        ((0o600,), "600", True),
        ((0o400, 0o600), "600", True),
        ((0o644,), "600", False),
        ((0o600, 0o640), "600", False),
        ((), "600", False),
    ],
)
def test_modes_of_files(shell: Node_, tmp_path: Path, modes: tuple[int, ...], max: str, proven: bool) -> None:
    for number, mode in enumerate(modes):
        (tmp_path / f"{number}.key").touch()
        (tmp_path / f"{number}.key").chmod(mode)
    assert (shell(f"mode {max} *.key absent.key").returncode == 0) is proven


@pytest.mark.skipif(not ROOT, reason="files of root's")
def test_a_file_of_another_s(shell: Node_, tmp_path: Path) -> None:
    (tmp_path / "x.key").touch(0o600)
    os.chown(tmp_path / "x.key", 1000, 0)
    done = shell("mode 600 x.key")
    assert done.returncode == 1 and "x.key is 1000:0" in done.stdout


def test_each_point_is_named_once_for_a_node() -> None:
    found = [check.id for check in cis().checks()]
    assert len(found) == len(set(found)) > 60


SECRET = '{"level":"Metadata","verb":"get","objectRef":{"resource":"secrets","name":"x"}}\n'
PATHS = {"K=/var/lib/kubeadm": "K=.", "/var/log/kubernetes/": "", "/proc/": "proc/"}
WELL = {
    "flags": "etcd --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt --audit-policy-file=/etc/kubeadm/audit-policy.yaml "
    "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 --x",
    "pki/ca.crt": "one", "pki/etcd/ca.crt": "other", "audit.log": SECRET + SECRET,
    "proc/sys/kernel/kptr_restrict": "2", "proc/sys/kernel/kexec_load_disabled": "1",
    "proc/sys/kernel/yama/ptrace_scope": "1", "proc/sys/kernel/dmesg_restrict": "1",
    "proc/sys/fs/protected_hardlinks": "1", "proc/sys/fs/protected_symlinks": "1",
    "proc/sys/fs/protected_fifos": "1", "proc/sys/fs/protected_regular": "1",
    "proc/cmdline": "console=ttyS0 slab_nomerge x", "proc/7/attr/current": "containerd.apparmor.d (enforce)",
}  # fmt: skip
"""Where what these points look at lies in the test's folder."""

WRONG: list[tuple[str, str, str | None]] = [
    ("1.2.29", "flags", "etcd --tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("1.2.29", "flags", "etcd --tls-cipher-suites=TLS_ECDHE_X,TLS_RSA_WITH_AES_128_GCM_SHA256"),
    ("1.2.29", "flags", "etcd --x"),
    ("1.2.29", "flags", None),
    ("1.3.6", "flags", "etcd --feature-gates=A=true,RotateKubeletServerCertificate=false"),
    ("1.3.6", "flags", None),
    ("2.7", "pki/etcd/ca.crt", "one"),
    ("2.7", "pki/etcd/ca.crt", None),
    ("2.7", "pki/ca.crt", None),
    ("2.7", "flags", "etcd --trusted-ca-file=/etc/kubernetes/pki/ca.crt"),
    ("3.2.1", "audit.log", "{}\n"),
    ("3.2.1", "audit.log", None),
    ("3.2.1", "flags", "etcd --x"),
    ("3.2.2", "audit.log", None),
    ("3.2.2", "audit.log", SECRET.replace("secrets", "pods")),
    ("3.2.2", "audit.log", SECRET + SECRET.replace("Metadata", "Request")),
    ("3.2.2", "audit.log", SECRET + SECRET.replace('"verb"', '"responseObject":{},"verb"')),
    ("3.2.2", "audit.log", SECRET.replace('"verb"', '"requestObject":{},"verb"')),
    *(("K1", path, other) for path in WELL if path.startswith("proc/sys/kernel/") for other in ("0", None)),
    *(("K2", path, other) for path in WELL if path.startswith("proc/sys/fs/") for other in ("0", None)),
    ("K3", "proc/cmdline", "console=ttyS0 no_slab_nomerge_x"),
    ("K3", "proc/cmdline", None),
    ("K5", "proc/7/attr/current", "unconfined"),
    ("K5", "proc/7/attr/current", "containerd.apparmor.d (complain)"),
    ("K5", "proc/7/attr/current", None),
]


def looked(point: str, folder: Path, **changed: str | None) -> int:
    """The exit code of a point's command where all is well but for what was changed; a file that is None is not there."""
    files = {**WELL, **changed}
    for path, text in files.items():
        if text is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text.replace(" ", "\0") if path == "flags" else text + "\n")
    (folder / "pidof").write_text(f"#!/bin/sh\n{'echo 7 8' if files['flags'] else 'exit 1'}\n")
    (folder / "pidof").chmod(0o755)
    found = benchmark()
    (command,) = [each.command for each in (*found.masters, *found.nodes) if each.id == point]
    text = (_WORDS + command).replace('"/proc/$pid/cmdline"', "flags")
    for path, there in PATHS.items():
        text = text.replace(path, there)
    given = {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", text], env=given, cwd=folder, capture_output=True, check=False, timeout=20).returncode


@pytest.mark.parametrize("point", sorted({case[0] for case in WRONG}))
def test_a_point_with_words_of_its_own_is_proven_where_all_is_well(point: str, tmp_path: Path) -> None:
    assert looked(point, tmp_path) == 0


@pytest.mark.parametrize(("point", "path", "text"), WRONG)
def test_a_point_with_words_of_its_own_sees_what_is_wrong(point: str, path: str, text: str | None, tmp_path: Path) -> None:
    assert looked(point, tmp_path, **{path: text}) != 0


def test_every_point_with_words_of_its_own_is_tried() -> None:
    found = benchmark()
    own = {each.id for each in (*found.masters, *found.nodes) if not re.match(r"(mode|has|not) [^|&;]*$", each.command)}
    assert own - {case[0] for case in WRONG} == {"1.2.16"}, "that is two of the plain words"
