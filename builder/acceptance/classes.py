"""What each RuntimeClass of a cluster owes: a pod of it runs, is run by its handler, and does a pod's work."""

from pathlib import Path

from builder.acceptance.inside import exit_code
from builder.acceptance.manifest import apply, delete_namespace
from builder.acceptance.traces import ALL_OF
from builder.acceptance.web import PAGE, demand_page
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, PodClass
from builder.forming.objects import Object, demand_ready

_MANIFEST = Path(__file__).with_name("class.yml")


class Classes:
    """patience: seconds that one answer over the network may take. The client of the suite smoke is there."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, on: ALL_OF, patience: float) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._on = on
        self._patience = round(patience)

    def checks(self) -> list[Check]:
        return [check for each in self._cluster.runtime.classes for check in self._checks(each)]

    def _checks(self, given: PodClass) -> list[Check]:
        name = given.name
        return [
            Check("C1", f"a pod of the RuntimeClass {name} is accepted", lambda: self.apply(name), 60),
            Check("C2", f"it is Ready with RuntimeClass {name}", lambda: self.ready(name), 180),
            Check("C3", f"the handler of {name} runs its containers", lambda: self.proof(given), 60),
            Check("C4", f"a plain pod reaches one of {name}, and that one itself", lambda: self.answers(name), 60),
            Check("C5", f"exec in a pod of {name} gives back a command's exit code", lambda: self.exit_code(name), 90),
            Check("C6", f"the pod of {name} goes when it is deleted", lambda: self.gone(name), 180),
        ]

    def apply(self, name: str) -> str:
        return apply(self._kubectl, _MANIFEST.read_text().replace("CLASS", name))

    def ready(self, name: str) -> str:
        pod = self._pod(name)
        demand_ready(pod)
        if (chosen := pod["spec"].get("runtimeClassName")) != name:
            raise NotYet(f"its RuntimeClass is {chosen}")
        return f"Ready at {pod['status'].get('podIP')}"

    def _pod(self, name: str) -> Object:
        return self._kubectl.get("pod", "boxed", "-n", f"class-{name}")

    def proof(self, given: PodClass) -> str:
        pod = self._pod(given.name)
        node = next(node for node in self._cluster.nodes if node.name == pod["spec"]["nodeName"])
        statuses = pod["status"]["containerStatuses"]
        for status in statuses:
            identity = str(status.get("containerID", "")).rpartition("//")[2]
            if not identity:
                raise NotYet(f"the container {status['name']} has no id yet")
            self._on(node, f"ID={identity}; {given.proof}")
        return f"{len(statuses)} containers on {node.name}"

    def answers(self, name: str) -> str:
        address = self._pod(name)["status"]["podIP"]
        curl = ("curl", "-sS", "--max-time", f"{self._patience}", f"http://{address}/")
        for asker in (("-n", "smoke", "client"), ("-n", f"class-{name}", "boxed", "-c", "client")):
            demand_page(self._kubectl.text("exec", *asker, "--", *curl))
        return f"{address} shows {PAGE!r} to both"

    def exit_code(self, name: str) -> str:
        return exit_code(self._kubectl, "-n", f"class-{name}", "boxed", "-c", "client")

    def gone(self, name: str) -> str:
        delete_namespace(self._kubectl, f"class-{name}")
        return f"no namespace class-{name}"
