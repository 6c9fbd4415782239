"""kubeadm on a node, over the node's serial console."""

import re
from collections.abc import Callable
from typing import Protocol

from builder.aside import write_aside
from builder.cluster.model import Node
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.forming.fit import DISCOVERY, PATCHES, discovery_file, fitted, patches
from builder.forming.model import Fit
from builder.forming.verdict import reason
from builder.progress import step

# Where kubeadm-init.sh and kubeadm-join.sh look first; the image's own configuration is the fallback (pkg/kubelet).
_CONFIG = "/run/config/kubeadm/kubeadm.yaml"
# The console service sees the node's root there (pkg/getty). A master has one file for init and one for joining others.
_IMAGE_CONFIG = "/hostroot/etc/kubeadm/kubeadm.yaml"
_IMAGE_JOIN = "/hostroot/etc/kubeadm/kubeadm-join.yaml"
_EXEC = "ctr -n services.linuxkit tasks exec --exec-id kubeiso-{id} kubelet "


class Ended(Protocol):
    """How a command on the node ended."""

    @property
    def code(self) -> int: ...
    @property
    def output(self) -> str: ...


class Shell(Protocol):
    """What is needed of a console; builder.console.console.Console is one."""

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Ended: ...
    def read_file(self, path: str, deadline: Deadline) -> bytes: ...
    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None: ...


def configure(shell: Shell, fit: Fit) -> None:
    """Puts the image's own kubeadm configuration, fitted, where the node's scripts look for it, and the patches beside it."""
    image = _IMAGE_JOIN if fit.master else _IMAGE_CONFIG
    config = shell.read_file(image, Deadline.after(30, scale=fit.scale)).decode()
    shell.write_file(_CONFIG, fitted(config, fit).encode(), Deadline.after(60, scale=fit.scale))
    if fit.discovery:
        shell.write_file(DISCOVERY, discovery_file(fit.discovery).encode(), Deadline.after(60, scale=fit.scale))
    for name, patch in patches(fit.scale).items():
        shell.write_file(f"{PATCHES}/{name}", patch.encode(), Deadline.after(60, scale=fit.scale))


def kubeadm(node: Node, shell: Shell, verb: str, deadline: Deadline) -> str:
    """Runs kubeadm-VERB.sh in the kubelet service; its output is kept in the node's directory and returned.

    Nothing of kubeadm's preflight is ignored. Raises CheckError with kubeadm's last lines unless its exit code is 0.
    """
    log = node.directory / f"kubeadm-{verb}.log"
    with step(f"kubeadm {verb} on {node.name}") as work:
        ended = shell.run(_EXEC.format(id=verb) + f"kubeadm-{verb}.sh", deadline, _told(work.advance))
    write_aside(log, ended.output)
    _demand(ended, f"kubeadm {verb} on {node.name}", hint=f"all of it: {log}")
    return ended.output


def upload_certificates(node: Node, shell: Shell, scale: float) -> None:
    """Puts the cluster's certificates, encrypted with the key in the node's configuration, where further masters get them."""
    command = _EXEC.format(id="certs") + f"kubeadm init phase upload-certs --upload-certs --config {_CONFIG}"
    with step(f"Uploading the cluster's certificates from {node.name}"):
        ended = shell.run(command, Deadline.after(90, scale=scale))
    _demand(ended, f"kubeadm init phase upload-certs on {node.name}")


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
