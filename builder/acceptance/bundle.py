"""The diagnostics of a failed run: one tar.gz with everything that explains it, made even when half of it can't be had."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from builder.aside import aside
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node
from builder.deadline import Deadline
from builder.machine.machine import Machine
from builder.progress import step

_NODE_COMMANDS = {
    "dmesg.txt": "dmesg",
    "processes.txt": "ps",
    "disks.txt": "df; mount; free",
    "network.txt": "ip address; ip route; cat /etc/resolv.conf; ls -l /hostroot/etc/cni/net.d",
    "tasks.txt": "ctr -n services.linuxkit tasks ls",
    "kernel.log": "tail -c 400000 /var/log/kernel.log; cat /var/log/crash/*/* 2>/dev/null",
    "kubelet.log": "tail -c 400000 /var/log/kubelet.log",
    "pods.log": "for f in /var/log/pods/*/*/*.log; do echo \"== $f\"; tail -n 80 \"$f\"; done",
}  # fmt: skip
_CLUSTER_COMMANDS = {
    "nodes.txt": ("get", "nodes", "-o", "wide"),
    "pods.txt": ("get", "pods", "-A", "-o", "wide"),
    "describe-pods.txt": ("describe", "pods", "-A"),
    "describe-nodes.txt": ("describe", "nodes"),
    "events.txt": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
}


def collect(cluster: Cluster, machines: dict[str, Machine], scale: float, target: Path) -> Path:
    """Writes the bundle to `target` (made aside, renamed)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with step("Collecting diagnostics"), aside(target) as made, tarfile.open(made, "w:gz") as archive:
        for node in cluster.nodes:
            if node.name in machines:
                _node(archive, cluster, node, machines[node.name], scale)
        if cluster.kubeconfig.exists():
            kubectl = Kubectl(cluster, timeout=30)
            for name, words in _CLUSTER_COMMANDS.items():
                _add(archive, f"cluster/{name}", lambda words=words: kubectl.text(*words))  # type: ignore[misc]
    return target


def _node(archive: tarfile.TarFile, cluster: Cluster, node: Node, machine: Machine, scale: float) -> None:
    for name, content in machine.diagnose().items():
        _add(archive, f"{node.name}/{name}", lambda content=content: content)  # type: ignore[misc]
    for log in sorted(node.directory.glob("*.log")):
        _add(archive, f"{node.name}/{log.name}", log.read_bytes)
    if not machine.alive():
        return
    logs = {Path(log).name: f"tail -c 400000 {log}" for log in cluster.runtime.logs}
    commands = {**_NODE_COMMANDS, **dict(cluster.runtime.diagnostics), **logs}
    for name, command in commands.items():
        look = lambda command=command: machine.shell().run(command, Deadline.after(20, scale=scale)).output  # noqa: E731
        if not _add(archive, f"{node.name}/{name}", look):
            return  # the node does not answer: no use to ask again


def _add(archive: tarfile.TarFile, name: str, look: Callable[[], str | bytes]) -> bool:
    try:
        content, good = look(), True
    except Exception as error:  # a bundle is made, whatever of it can't be had
        content, good = f"not to be had: {error or type(error).__name__}\n", False
    data = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
    return good
