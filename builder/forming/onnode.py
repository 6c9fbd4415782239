"""kubeadm on a node: its init and join over the node's serial console, what they need and what is secret beside it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from builder.aside import write_aside
from builder.cluster.model import Node
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.forming.fit import DISCOVERY, PATCHES, discovery_file, fitted, patches
from builder.forming.model import Fit
from builder.forming.verdict import late, reason, torn
from builder.progress import note, step

# Where kubeadm-init.sh and kubeadm-join.sh look first; the image's own configuration is the fallback (pkg/kubelet).
_CONFIG = "/run/config/kubeadm/kubeadm.yaml"
# The console service sees the node's root there (pkg/getty). A master has one file for init and one for joining others.
_IMAGE_CONFIG = "/hostroot/etc/kubeadm/kubeadm.yaml"
_IMAGE_JOIN = "/hostroot/etc/kubeadm/kubeadm-join.yaml"
_EXEC = "ctr -n services.linuxkit tasks exec --exec-id kubeiso-{id} kubelet {command}"

_NOTHING_TO_RESET = "test ! -e /etc/kubernetes/to-reset"

REPEATS = 2
"""So often kubeadm runs again where somebody was late to answer it."""

# The console is logged: what would let others in is not printed there. A person who runs the scripts sees it.
_QUIET = {"init": "--skip-token-print", "join": ""}


class EtcdLate(CheckError):
    """A join that ended halfway, since etcd did not answer in the time that kubeadm gives it."""


class Ended(Protocol):
    """How a command on the node ended."""

    @property
    def code(self) -> int: ...
    @property
    def output(self) -> str: ...


class Shell(Protocol):
    """What is needed of a node's channel; builder.console.shell.Shell is one."""

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Ended: ...
    def read_file(self, path: str, deadline: Deadline) -> bytes: ...
    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None: ...


@dataclass(frozen=True)
class Access:
    """A node's two channels: the serial console, which is logged and kept, and kubeiso's own line, which is not."""

    console: Shell
    control: Shell


def in_kubelet(command: str, id: str) -> str:
    """The command in the node's kubelet service, which has kubeadm and etcdutl; id: what no other such command has meanwhile."""
    return _EXEC.format(id=id, command=command)


def configure(shell: Shell, fit: Fit) -> None:
    """Puts the image's own kubeadm configuration, fitted, where the node's scripts look for it, and the patches beside it.

    It may hold a token, a key or the discovery of a cluster: `shell` is one that nothing logs.
    """
    image = _IMAGE_JOIN if fit.master else _IMAGE_CONFIG
    config = shell.read_file(image, Deadline.after(30, scale=fit.scale)).decode()
    shell.write_file(_CONFIG, fitted(config, fit).encode(), Deadline.after(60, scale=fit.scale))
    if fit.discovery:
        shell.write_file(DISCOVERY, discovery_file(fit.discovery).encode(), Deadline.after(60, scale=fit.scale))
    for name, patch in patches(fit.scale).items():
        shell.write_file(f"{PATCHES}/{name}", patch.encode(), Deadline.after(60, scale=fit.scale))


def kubeadm(node: Node, console: Shell, verb: str, deadline: Deadline) -> str:
    """Runs kubeadm-VERB.sh in the kubelet service; its output is kept in the node's directory and returned.

    Of kubeadm's preflight the number of processors alone is ignored; it runs again where somebody was only late to answer it,
    which changes nothing on the node. Raises CheckError with kubeadm's last lines unless its exit code is 0, and EtcdLate where
    `undo` may help.
    """
    log = node.directory / f"kubeadm-{verb}.log"
    with step(f"kubeadm {verb} on {node.name}") as work:
        ended = _kubeadm(console, verb, deadline, work.advance)
        for _ in range(REPEATS):
            if ended.code == 0 or not (who := late(ended.output)):
                break
            note(f"{node.name}: {who} was late to answer kubeadm {verb}, which runs once more")
            ended = _kubeadm(console, verb, deadline, work.advance)
        write_aside(log, ended.output, mode=0o600)
        if torn(ended.output):
            late_etcd = f"etcd was late to answer kubeadm {verb} on {node.name}"
            raise EtcdLate(late_etcd, why=reason(ended.output), hint=f"all of it: {log}")
        _demand(ended, f"kubeadm {verb} on {node.name}", hint=f"all of it: {log}")
    return ended.output


def _kubeadm(console: Shell, verb: str, deadline: Deadline, advance: Callable[[float, str], None]) -> Ended:
    return console.run(in_kubelet(f"kubeadm-{verb}.sh {_QUIET[verb]}".rstrip(), verb), deadline, _told(advance))


def undo(node: Node, shell: Shell, scale: float) -> None:
    """Takes back a join that ended halfway. The kubelet's service does it, without a kubelet, and waits for the next join."""
    deadline = Deadline.after(240, scale=scale)

    def done() -> bool | None:
        return True if shell.run(in_kubelet(_NOTHING_TO_RESET, "undone"), deadline).code == 0 else None

    with step(f"Taking back kubeadm join on {node.name}"):
        _demand(shell.run(in_kubelet("kubeadm-reset.sh later", "undo"), deadline), f"noting what is to be reset on {node.name}")
        _demand(shell.run("service restart kubelet", deadline), f"the kubelet's restart on {node.name}")
        poll(done, deadline, what=f"kubeadm reset on {node.name}")


def upload_certificates(node: Node, shell: Shell, scale: float) -> None:
    """Puts the cluster's certificates, encrypted with the key in the node's configuration, where further masters get them."""
    phase = f"kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config {_CONFIG}"
    with step(f"Uploading the cluster's certificates from {node.name}"):
        ended = shell.run(in_kubelet(phase, "certs"), Deadline.after(90, scale=scale))
    _demand(ended, f"kubeadm init phase upload-certs on {node.name}")


# So many rounds of the node's shell take 0.04 s natively (AMD EPYC at 2.4 GHz) and 0.61 s emulated on a quiet host, where real
# work takes 5 to 8 times its native time: a shell's loop is harder for an emulator than that.
_ROUNDS = 40_000
LOOP_SECONDS = 0.11
_MEASURE = f"read a _ </proc/uptime; i=0; while [ $i -lt {_ROUNDS} ]; do i=$((i+1)); done; read b _ </proc/uptime; echo $a $b"


def speed_now(shell: Shell, scale: float) -> float:
    """How many times slower than native speed the node is at this moment, by a loop of its shell."""
    began, ended = shell.run(_MEASURE, Deadline.after(30, scale=scale)).output.split()
    return max(1.0, (float(ended) - float(began)) / LOOP_SECONDS)


def _demand(ended: Ended, what: str, hint: str = "") -> None:
    """Raises CheckError with kubeadm's reason and its last lines unless its exit code is 0."""
    if ended.code != 0:
        last = tuple(ended.output.strip().splitlines()[-20:])
        raise CheckError(f"{what} ended with exit code {ended.code}", why=reason(ended.output), details=last, hint=hint)


def _told(advance: Callable[[float, str], None]) -> Callable[[str], None]:
    """kubeadm's phases, as they come, as the detail of the step."""

    def told(line: str) -> None:
        if found := re.match(r"\[([a-z-]+)\] (.*)", line.strip()):
            advance(0, f"{found[1]}: {found[2][:60]}")

    return told
