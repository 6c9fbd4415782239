"""kubeadm init over the serial console of a master."""

import re
from collections.abc import Callable
from typing import Protocol

from builder.cluster.kubeadm import PATCHES, patches, scaled
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.progress import step

# Where kubeadm-init.sh looks first; the image's own configuration is the fallback (pkg/kubelet).
_CONFIG = "/run/config/kubeadm/kubeadm.yaml"
# The console service sees the node's root there (pkg/getty).
_IMAGE_CONFIG = "/hostroot/etc/kubeadm/kubeadm.yaml"
_UNTAINT = "/run/config/kubeadm/untaint-master"
_EXEC = "ctr -n services.linuxkit tasks exec --exec-id kubeiso-{id} kubelet "


class Ended(Protocol):
    """How a command on the node ended."""

    @property
    def code(self) -> int: ...
    @property
    def output(self) -> str: ...


class Shell(Protocol):
    """What is needed of a console; builder.machine.console.Console is one."""

    def run(self, command: str, deadline: Deadline, on_output: Callable[[str], None] | None = None) -> Ended: ...
    def read_file(self, path: str, deadline: Deadline) -> bytes: ...
    def write_file(self, path: str, data: bytes, deadline: Deadline, mode: int = 0o600) -> None: ...


def init_master(cluster: Cluster, node: Node, shell: Shell, scale: float) -> str:
    """Runs kubeadm-init.sh in the kubelet service and writes the cluster's kubeconfig; returns kubeadm's output.

    Nothing of kubeadm's preflight is ignored. Raises CheckError with kubeadm's last lines unless its exit code is 0.
    """
    config = shell.read_file(_IMAGE_CONFIG, Deadline.after(30, scale=scale)).decode()
    address = address_of(node, shell, scale)
    fitted = scaled(config, scale, node_name=node.name, address=address, alone=len(cluster.masters) == 1)
    shell.write_file(_CONFIG, fitted.encode(), Deadline.after(60, scale=scale))
    for name, patch in patches(scale).items():
        shell.write_file(f"{PATCHES}/{name}", patch.encode(), Deadline.after(60, scale=scale))
    if len(cluster.nodes) == len(cluster.masters):
        shell.write_file(_UNTAINT, b"\n", Deadline.after(30, scale=scale))
    with step(f"kubeadm init on {node.name}") as work:
        ended = shell.run(_EXEC.format(id="init") + "kubeadm-init.sh", Deadline.after(240, scale=scale), _told(work.advance))
    (node.directory / "kubeadm-init.log").write_text(ended.output)
    if ended.code != 0:
        raise CheckError(
            f"kubeadm init on {node.name} ended with exit code {ended.code}",
            details=tuple(ended.output.strip().splitlines()[-20:]), hint=f"all of it: {node.directory / 'kubeadm-init.log'}",
        )  # fmt: skip
    write_kubeconfig(cluster, node, shell, scale)
    return ended.output


def address_of(node: Node, shell: Shell, scale: float) -> str:
    """The node's first global IPv4 address."""
    listed = shell.run("ip -4 -o address show scope global", Deadline.after(20, scale=scale)).output
    found = re.search(r"inet (\d+\.\d+\.\d+\.\d+)/", listed)
    if not found:
        raise CheckError(f"{node.name} has no IPv4 address", why=listed.strip() or "no interface has one", hint="is there DHCP?")
    return found[1]


def _told(advance: Callable[[float, str], None]) -> Callable[[str], None]:
    """kubeadm's phases, as they come, as the detail of the step."""
    return lambda line: advance(1, line.strip()[:100])


def write_kubeconfig(cluster: Cluster, node: Node, shell: Shell, scale: float) -> None:
    """Fetches admin.conf and points it at the node's port on this machine."""
    text = shell.read_file("/var/lib/kubeadm/admin.conf", Deadline.after(60, scale=scale)).decode()
    lines = [
        f"{line.split('server:')[0]}server: https://127.0.0.1:{node.ports.api}" if line.strip().startswith("server:") else line
        for line in text.splitlines()
    ]
    aside = cluster.directory / ".kubeconfig.part"
    aside.touch(mode=0o600)
    aside.write_text("\n".join(lines) + "\n")
    aside.replace(cluster.kubeconfig)
