"""A pod by hand: redis through crictl on a node, with nothing of Kubernetes; then the same pod by Kubernetes."""

import json
import secrets
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from builder.acceptance.manifest import apply
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.forming.objects import demand_ready
from builder.forming.onnode import Shell, in_kubelet
from builder.run import last_line

IMAGE = "docker.io/kubeiso/redis:1"
PORT = 6379
STARTED = "Ready to accept connections"  # redis' last word at its start (src/server.c)
_MANIFEST = Path(__file__).with_name("redis.yml")
# Both the console and the kubelet's service see the node's /run.
_FOLDER = "/run/kubeiso-redis"
_NODE_NETWORK = 2  # NamespaceMode NODE (k8s.io/cri-api)
# A redis command, then the time for its answer before the connection is half closed.
_ASK = "(printf '{command}\\r\\n'; sleep {seconds}) | timeout 60 nc {address} {port}"

Run = Callable[[str], str]
"""Runs a shell's command line somewhere and gives its output; raises NotYet where it fails."""


class Redis:
    """Each method is the look of one check. shell: the first master's console."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, shell: Callable[[], Shell], scale: Callable[[], float]) -> None:
        self._cluster, self._kubectl, self._shell, self._scale = cluster, kubectl, shell, scale
        self._word = secrets.token_hex(4)
        self._pod = self._container = self._address = self._process = self._killed = ""

    def by_hand(self) -> list[Check]:
        """For a node whose kubelet does not run yet: it would remove a pod that is none of its own."""
        ends = [
            check
            for daemon in self._cluster.runtime.outlived
            for check in (
                Check("R4k", f"{daemon} is killed", partial(self.kill, daemon), once=True),
                Check("R4o", f"the container outlives the end of {daemon}, which is back", partial(self.outlived, daemon), 120),
            )
        ]
        return [
            Check("R1", "crictl makes a pod of redis and starts it", self.make, once=True),
            Check("R2", "that redis answers PING over the network", lambda: self.ping(self._on_node), 60),
            Check("R3", "MONITOR tells what another client asks it", lambda: self.monitor(self._on_node), 60),
            Check("R4", "its log holds its start message", self.log, 60),
            *ends,
            Check("R5", "crictl removes the pod", self.remove, once=True),
        ]

    def by_kubernetes(self) -> list[Check]:
        return [
            Check("R6", "the same as a pod of Kubernetes is Ready", self.applied, 180),
            Check("R7", "it answers PING to another pod", lambda: self.ping(self._in_client), 60),
            Check("R8", "MONITOR tells what another client asks it", lambda: self.monitor(self._in_client), 60),
            Check("R9", "kubectl logs holds its start message", self.logs, 60),
        ]

    def make(self) -> str:
        for name, document in (("pod", self._pod_config()), ("container", _CONTAINER)):
            self._shell().write_file(f"{_FOLDER}/{name}.json", json.dumps(document).encode(), self._deadline(30))
        self._pod = self._crictl("runp", f"{_FOLDER}/pod.json")
        files = (f"{_FOLDER}/container.json", f"{_FOLDER}/pod.json")
        self._container = self._crictl("create", "--no-pull", self._pod, *files)
        self._crictl("start", self._container)
        self._address = "127.0.0.1"
        if self._cluster.network.host_ranges:
            self._address = self._crictl("inspectp", "-o", "go-template", "--template", "{{.status.network.ip}}", self._pod)
        return f"container {self._container[:13]} at {self._address}"

    def _pod_config(self) -> dict[str, Any]:
        """Where pods have no network before there is a cluster, the pod has the node's."""
        metadata = {"name": "redis", "namespace": "default", "uid": "kubeiso-redis", "attempt": 0}
        options = {} if self._cluster.network.host_ranges else {"network": _NODE_NETWORK}
        linux = {"security_context": {"namespace_options": options}}
        return {"metadata": metadata, "log_directory": "/var/log/pods/kubeiso-redis", "linux": linux}

    def ping(self, run: Run) -> str:
        told = run(self._asking("PING"))
        if "+PONG" not in told:
            raise NotYet(f"the answer to PING is {told!r}")
        return f"{self._address}:{PORT} says PONG"

    def monitor(self, run: Run) -> str:
        file = "/tmp/redis-monitor"
        listen = f"{self._asking('MONITOR', 12)} >{file}"
        told = run(f"{listen} & sleep 3; {self._asking(f'SET kubeiso {self._word}')}; wait; cat {file}")
        if f'"SET" "kubeiso" "{self._word}"' not in told:
            raise NotYet(f"MONITOR told {told[-200:]!r}")
        return f"MONITOR told of SET kubeiso {self._word}"

    def _asking(self, command: str, seconds: int = 2) -> str:
        return _ASK.format(command=command, seconds=seconds, address=self._address, port=PORT)

    def log(self) -> str:
        return _started(self._crictl("logs", self._container))

    def kill(self, daemon: str) -> str:
        self._process = self._inspected()
        self._killed = self._on_node(f"pidof {daemon}")
        self._on_node(f"kill -9 {self._killed}")
        return f"process {self._killed} got SIGKILL"

    def outlived(self, daemon: str) -> str:
        """The same process, still known, still answering, and commands run beside it."""
        if (now := self._on_node(f"pidof {daemon}")) == self._killed:
            raise NotYet(f"{daemon} has not ended")
        if (found := self._inspected()) != self._process:
            raise CheckError(f"the container was {self._process} and is {found}")
        self._crictl("exec", self._container, "/usr/bin/redis-server", "--version")
        return f"{daemon} is process {now}, {found}; {self.ping(self._on_node)}"

    def _inspected(self) -> str:
        template = "{{.status.state}}, process {{.info.pid}}"
        return self._crictl("inspect", "-o", "go-template", "--template", template, self._container)

    def remove(self) -> str:
        self._crictl("rmp", "--force", self._pod)
        if self._pod in self._crictl("pods", "--quiet", "--no-trunc"):
            raise NotYet("crictl lists the pod still")
        return "it is gone"

    def applied(self) -> str:
        apply(self._kubectl, _MANIFEST.read_text())
        pods = {name: self._kubectl.get("pod", name, "-n", "redis") for name in ("redis", "client")}
        for pod in pods.values():
            demand_ready(pod)
        self._address = pods["redis"]["status"]["podIP"]
        return f"Ready at {self._address}"

    def logs(self) -> str:
        return _started(self._kubectl.text("logs", "-n", "redis", "redis"))

    def _in_client(self, command: str) -> str:
        return self._kubectl.text("exec", "-n", "redis", "client", "--", "sh", "-c", command)

    def _crictl(self, *words: str) -> str:
        """The last line that crictl writes."""
        limit = f"{self._deadline(120).remaining:.0f}s"
        command = f"crictl --timeout {limit} {shlex.join(words)}"
        told = self._on_node(in_kubelet(command, "redis"))
        return told if words[0] in ("logs", "pods") else last_line(told)

    def _on_node(self, command: str) -> str:
        ended = self._shell().run(command, self._deadline(150))
        if ended.code != 0:
            raise NotYet(f"exit code {ended.code}: {ended.output.strip()[-300:]}")
        return ended.output.strip()

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, scale=self._scale())


_CONTAINER = {"metadata": {"name": "redis"}, "image": {"image": IMAGE}, "log_path": "redis.log", "linux": {}}


def _started(log: str) -> str:
    line = next((line for line in log.splitlines() if STARTED in line), None)
    if line is None:
        raise NotYet(f"no {STARTED!r} in its log: {last_line(log)[-200:]!r}")
    return line.strip()[-100:]
