"""A cluster whose machines go off and on again, by their buttons or by the mains."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from builder.checks import Check, Engine, NotYet, Outcome
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.lifecycle import Machines
from builder.cluster.model import Cluster
from builder.errors import CheckError
from builder.forming import form
from builder.forming.readiness import Readiness
from builder.machine.machine import Ending


@dataclass
class Powered:
    """Machines whose power can be cut; `scale` follows their last boot."""

    cluster: Cluster
    machines: Machines
    scale: float

    def cut(self) -> None:
        """All at once, as where the mains fail."""
        for machine in self.machines.values():
            if machine.pid:
                os.kill(machine.pid, signal.SIGKILL)
        for machine in self.machines.values():
            machine.stop(grace=0)
        self.machines.clear()

    def off(self, minutes: float) -> list[Ending]:
        """All by their buttons; minutes: how long each has at native speed."""
        ended = [machine.stop(grace=60 * minutes * self.scale) for machine in self.machines.values()]
        self.machines.clear()
        return ended

    def start(self) -> None:
        self.machines.update(lifecycle.start(self.cluster, leashed=True))
        self.scale = lifecycle.wait_ready(self.cluster.nodes, self.machines)

    def passes(self, checks: Iterable[Check]) -> None:
        engine = Engine(self.scale, lambda: lifecycle.obituary(self.machines))
        engine.run(list(checks))
        wrong = [f"{found.name}: {found.reason}" for found in engine.findings if found.outcome is not Outcome.PASSED]
        assert wrong == [], "\n".join(wrong)

    def becomes_whole(self) -> None:
        """The cluster is there as it shall be, or its nodes' consoles say why not."""
        kubectl = Kubectl(self.cluster)
        self.passes([*form.by_themselves(self.cluster, self.machines), *Readiness(self.cluster, kubectl).checks()])

    def identity(self) -> str:
        """What only this one cluster has, once its tokens let others in; empty before, and while the API server is away."""
        kubectl = Kubectl(self.cluster)
        with suppress(NotYet, CheckError):
            kubectl.get("configmap", "kubeadm-config", "-n", "kube-system")
            return str(kubectl.get("namespace", "kube-system")["metadata"]["uid"])
        return ""
