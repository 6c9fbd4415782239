"""What a RuntimeClass with a kernel of its own owes: it is apart from the node, does a pod's work, and leaves nothing behind."""

from pathlib import Path

from builder.acceptance.inside import exit_code
from builder.acceptance.manifest import apply, delete_namespace
from builder.acceptance.traces import ALL_OF, Seen, Traces
from builder.acceptance.web import PAGE
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, PodClass
from builder.errors import CheckError
from builder.forming.objects import Object, demand_ready

_HERE = Path(__file__).parent
_WORD = "from a ConfigMap"
_KERNEL = "uname -r; cat /proc/sys/kernel/random/boot_id 2>/dev/null || true"
"""The kernel's release and the id of its boot; not every sandbox' kernel has one."""

# Of 96 MiB that a container may take: what it must be able to have, and what it must not. Megabytes.
MODEST, GREEDY = 8, 400


class Sandbox:
    """The checks of one RuntimeClass. The plain pod is on the first node, the sandboxed one on the last.

    patience: seconds that one answer over the network may take.
    """

    def __init__(self, cluster: Cluster, kubectl: Kubectl, given: PodClass, on: ALL_OF, patience: float) -> None:
        self._kubectl = kubectl
        self._class = given
        self._patience = round(patience)
        self._traces = Traces(cluster.nodes, on)
        self._on = on
        self._home, self._away = cluster.nodes[0], cluster.nodes[-1]
        self._space = f"sandbox-{given.name}"
        self._before: Seen | None = None

    def checks(self) -> list[Check]:
        name = self._class.name
        return [
            Check("X1", f"{name}: a plain pod is Ready, and no sandbox runs", self.plain, 180),
            Check("X2", f"{name}: a sandboxed pod beside it is Ready, in one sandbox on its node", self.boxed, 300),
            Check("X3", f"{name}: its kernel is not the node's, the plain pod's is", self.kernel, 90),
            Check("X4", f"{name}: HTTP both ways by a Service's name", self.http, 120),
            Check("X5", f"{name}: exec gives back exit codes, logs hold requests", self.tools, 120),
            Check("X6", f"{name}: volumes of a ConfigMap and an emptyDir", self.volumes, 90),
            Check("X7", f"{name}: a pod within its memory limit ends well", self.modest, 240),
            Check("X8", f"{name}: one beyond it is ended, and nothing else", self.greedy, 240),
            Check("X9", f"{name}: deleted pods leave nothing", self.gone, 300),
        ]

    def plain(self) -> str:
        if self._before is None:
            self._before = self._traces.seen()
        self._apply("sandbox.yml", 0)
        demand_ready(self._pod("trusted"))
        self._demand_sandboxes(0)
        return "0 sandboxes"

    def boxed(self) -> str:
        self._apply("sandbox.yml", 1)
        demand_ready(self._pod("untrusted"))
        self._demand_sandboxes(1)
        assert self._before is not None, "the first check took it"
        self._traces.demand_something_beyond(self._before, (self._home, self._away))
        return f"1 sandbox, on {self._away.name}"

    def _apply(self, file: str, part: int, **names: str) -> str:
        text = (_HERE / file).read_text().split("# APART\n")[part]
        for name, value in {"NODE-A": self._home.name, "NODE-B": self._away.name, "CLASS": self._class.name, **names}.items():
            text = text.replace(name, value)
        return apply(self._kubectl, text)

    def _pod(self, name: str) -> Object:
        return self._kubectl.get("pod", name, "-n", self._space)

    def _demand_sandboxes(self, wanted: int) -> None:
        """So many on the sandboxed pod's node, none elsewhere."""
        found = {name: count for name, count in self._traces.processes(self._class.process).items() if count}
        if found != ({self._away.name: wanted} if wanted else {}):
            raise NotYet(f"sandboxes run: {found or 'none'}, wanted {wanted} on {self._away.name}")

    def _in(self, pod: str, command: str) -> str:
        return self._kubectl.text("exec", "-n", self._space, pod, "-c", "client", "--", "sh", "-c", command)

    def kernel(self) -> str:
        """The control is the plain pod: it must show what its node shows."""
        node, plain, boxed = self._on(self._home, _KERNEL), self._in("trusted", _KERNEL), self._in("untrusted", _KERNEL)
        if plain.split() != node.split():
            raise NotYet(f"the plain pod says {plain.split()}, its node {node.split()}")
        if boxed.split() in (plain.split(), self._on(self._away, _KERNEL).split()) or not boxed.strip():
            raise CheckError(f"the sandboxed pod has the node's kernel: {boxed.split()}")
        return f"{boxed.split()[0]} in it, {plain.split()[0]} on the node"

    def http(self) -> str:
        for asker, asked in (("trusted", "untrusted"), ("untrusted", "trusted"), ("untrusted", "untrusted")):
            body = self._in(asker, f"curl -sS --max-time {self._patience} http://{asked}/?{asker}")
            if PAGE not in body:
                raise NotYet(f"{asker} got another page from {asked}: {body[:60]!r}")
        return f"{self._home.name} and {self._away.name} reach each other's pod"

    def tools(self) -> str:
        exit_code(self._kubectl, "-n", self._space, "untrusted", "-c", "client")
        log = self._kubectl.text("logs", "-n", self._space, "untrusted", "-c", "web")
        if '"GET /?trusted ' not in log:
            raise NotYet("the plain pod's request is not in the sandboxed web server's log")
        return "exit code 42, and a request in the log"

    def volumes(self) -> str:
        told = self._in("untrusted", "cat /words/word && echo && cat /shared/copy").splitlines()
        if told != [_WORD, _WORD]:
            raise NotYet(f"the volumes hold {told}")
        return f"both hold {_WORD!r}"

    def modest(self) -> str:
        return self._eats("modest", MODEST, "Succeeded")

    def greedy(self) -> str:
        ended = self._eats("greedy", GREEDY, "Failed", " of the 96 MiB that it may")
        demand_ready(self._pod("untrusted"))
        demand_ready(self._pod("trusted"))
        return ended

    def _eats(self, name: str, megabytes: int, wanted: str, limit: str = "") -> str:
        """A pod that takes so much memory at once, and has to end in the wanted phase."""
        self._apply("appetite.yml", 0, NAME=name, MEGABYTES=str(megabytes))
        pod = self._pod(name)
        if (phase := pod["status"].get("phase")) not in ("Succeeded", "Failed"):
            raise NotYet(f"{name} is {phase}")
        if phase != wanted:
            raise CheckError(f"it took {megabytes} MB{limit} and ended as {_ending(pod)}")
        return f"{megabytes} MB: {_ending(pod)}"

    def gone(self) -> str:
        delete_namespace(self._kubectl, self._space)
        self._demand_sandboxes(0)
        assert self._before is not None, "the first check took it"
        return f"0 sandboxes; {self._traces.demand_nothing_beyond(self._before)}"


def _ending(pod: Object) -> str:
    """How a pod's container ended."""
    for status in pod["status"].get("containerStatuses") or []:
        ended = status.get("state", {}).get("terminated") or {}
        return f"{ended.get('reason')}, exit code {ended.get('exitCode')}"
    return str(pod["status"].get("reason") or pod["status"]["phase"])
