"""A whole run: boot, init, checks, tear-down, with a verdict that is positive only when everything was seen."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.acceptance import bundle
from builder.acceptance.ledger import Ledger
from builder.acceptance.model import Report
from builder.acceptance.results import write
from builder.checks import Check, Engine, Finding, NotYet, Outcome
from builder.cluster import lifecycle
from builder.cluster.kubectl import Kubectl
from builder.cluster.model import Cluster, Node, PodClass
from builder.console.story import LOADER, Story
from builder.deadline import Deadline
from builder.errors import CheckError, KubeisoError
from builder.forming import form
from builder.forming.clock import agrees
from builder.forming.readiness import Readiness
from builder.machine.machine import Machine
from builder.progress import note, warn
from builder.spec.model import NOTHING, Extra

BUNDLE = "diagnostics.tar.gz"

# Checks whose passing ends a stage: first our own, then those of minikube's time-to-k8s, under its names.
_STAGES = (
    ("A2", "services run"), ("A6", "kubeadm init"), ("A7", "kubeadm join"), ("A8", "every node Ready"),
    ("A10c", "command"), ("A6b", "API server"), ("T1", "Kubernetes SVC"), ("T2", "DNS SVC"), ("S2", "app running"),
    ("A14a", "DNS answering"),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The cluster that a suite is asked to prove, before anything is built. disk: MiB. policies: whether they are enforced."""

    nodes: int
    masters: int
    disk: int
    classes: tuple[PodClass, ...] = ()
    policies: bool = False


@dataclass(frozen=True)
class Suite:
    """Something to prove of a cluster. Whoever adds one adds a file to suites/.

    checks: what is looked at once the cluster is formed and its own parts are well. runtime_checks: before kubeadm init. refuse:
    raises InputError for a cluster that can't pass. e2e: it takes Kubernetes' own tests as a program. chooses: which of these
    tests, is asked of the user, and what became of each is kept. findings: what it adds to the checks' own. extra: what only its
    ISOs carry.
    """

    name: str
    summary: str
    checks: Callable[["Run"], list[Check]]
    runtime_checks: Callable[["Run"], list[Check]] = lambda _: []
    refuse: Callable[[Asked], None] = lambda _: None
    findings: Callable[["Run"], tuple[Finding, ...]] = lambda _: ()
    e2e: bool = False
    chooses: bool = False
    extra: Extra = NOTHING


class Run:
    """One run of a suite over one cluster. out: where its results go. e2e_test: Kubernetes' own tests as a program.

    ledger: which of these are to run, and what became of those that have.
    """

    def __init__(
        self, cluster: Cluster, suite: Suite, out: Path, e2e_test: Path | None = None, ledger: Ledger | None = None
    ) -> None:  # fmt: skip
        self.cluster = cluster
        self.suite = suite
        self.out = out
        self.e2e_test = e2e_test
        self.ledger = ledger
        self.started = time.time()
        self.machines: dict[str, Machine] = {}
        self._looked_at: dict[str, int] = {}
        self.engine = Engine(1.0, self.alive)
        self.kubectl = Kubectl(cluster)
        self.collecting = False

    @property
    def scale(self) -> float:
        """How many times slower than native speed the slowest guest is; known once its services run."""
        return self.engine.scale

    @property
    def patience(self) -> float:
        """Seconds that one answer over the network may take."""
        return 10.0 * max(2.0, self.scale)

    def grown(self, cluster: Cluster) -> None:
        """The cluster has further nodes now."""
        self.cluster = cluster

    def alive(self) -> None:
        """Raises with QEMU's own reason as soon as a machine is gone."""
        lifecycle.obituary(self.machines)

    def boot(self) -> bool:
        """Machines started and their services running."""
        return self.engine.run([
            Check("A1", "the machines run", self._start, once=True),
            Check("A2", "firmware, kernel, root and services come up", self._ready, once=True),
            Check("A1b", "the console is complete from the first byte", self._console, once=True),
            Check("A3", "no console shows a fault", self._clean_boot, once=True),
        ])  # fmt: skip

    def form(self) -> bool:
        """The runtime answers and kubeadm forms the cluster."""
        proofs = [
            Check(f"A4.{number}", f"{name} on {node.name}", lambda n=node, c=command: self.on(n, c), 60)  # type: ignore[misc]
            for node in self.cluster.nodes
            for number, (name, command) in enumerate(self.cluster.runtime.checks, 1)
        ]
        clocks = [
            Check("A4c", f"the clock of {node.name} is right", lambda n=node: self.clock(n), 60)  # type: ignore[misc]
            for node in self.cluster.nodes
        ]
        joins = [Check("A7", f"kubeadm join ends with exit code 0 on {len(self._joining)} nodes", self._join, once=True)]
        init = Check("A6", "kubeadm init ends with exit code 0", self._init, once=True)
        return self.engine.run([*proofs, *clocks, *self.suite.runtime_checks(self), init, *(joins if self._joining else [])])

    @property
    def _joining(self) -> tuple[Node, ...]:
        return tuple(node for node in self.cluster.nodes if node != self.cluster.masters[0])

    def check(self) -> bool:
        """The cluster's parts, then what the suite asks for, then the consoles once more."""
        last = Check("A3e", "no console has shown a fault since", self._clean_since, once=True)
        return self.engine.run([*Readiness(self.cluster, self.kubectl).checks(), *self.suite.checks(self), last])

    def power_off(self) -> bool:
        return self.engine.run([Check("A19", "the machines power off at the power button", self._power_off, once=True)])

    def last_screens(self) -> None:
        """What each machine's screen shows, as NODE.png beside the report."""
        for name, machine in self.machines.items():
            with suppress(CheckError, OSError):
                machine.screendump(self.out / f"{name}.png")

    def collect(self) -> Path:
        """The bundle of diagnostics."""
        self.collecting = True
        return bundle.collect(self.cluster, self.machines, self.scale, self.out / BUNDLE)

    def report(self, bundle_path: Path | None) -> Report:
        hardware = self.cluster.hardware
        return Report(
            suite=self.suite.name,
            runtime=self.cluster.runtime.name,
            kubernetes_version=self.cluster.kubernetes_version,
            acceleration=f"{self.cluster.acceleration.name}, {hardware.firmware.value}, {hardware.attachment.value}",
            scale=self.engine.scale,
            findings=(*self.engine.findings, *self.suite.findings(self)),
            timeline=self._stages(),
            bundle=str(bundle_path or ""),
        )

    def _start(self) -> str:
        self.machines = lifecycle.start(self.cluster, leashed=True)
        for machine in self._all_machines():
            with machine.qmp() as qmp:
                if (status := qmp.status()) != "running":
                    raise NotYet(f"{machine.spec.name} is {status}")
        return f"{len(self.machines)} of {len(self.cluster.nodes)} running"

    def _ready(self) -> str:
        self.engine.scale = lifecycle.wait_ready(self.cluster.nodes, self.machines)
        return f"{self.engine.scale:.1f} times slower than native"

    def _console(self) -> str:
        """The boot loader speaks before the kernel does: with its words in the file, nothing was lost."""
        for machine in self._all_machines():
            before, told, _ = machine.spec.console_log.read_bytes().partition(b"KUBEISO {")
            if not told or not LOADER.search(before.decode(errors="replace")):
                raise NotYet(f"{machine.spec.console_log} has no words of the boot loader before the node's")
        return "the boot loader's first words are in each log"

    def _clean_boot(self) -> str:
        """What each console has shown by now, whatever was told before it."""
        for machine in self._all_machines():
            self._looked_at[machine.spec.name] = machine.spec.console_log.stat().st_size
            _demand_clean(machine, Story.from_log(machine.spec.console_log))
        return f"none on {len(self.machines)} consoles"

    def _clean_since(self) -> str:
        """What each has shown since A3, or since the start of a node that came later: in any boot, not the last alone."""
        for machine in self._all_machines():
            seen = self._looked_at.get(machine.spec.name, 0)
            _demand_clean(machine, Story.since(machine.spec.console_log, seen))
        return f"none on {len(self.machines)} consoles"

    def _all_machines(self) -> list[Machine]:
        """Every node's machine; NotYet where one is missing, of which nothing could be said."""
        if missing := [node.name for node in self.cluster.nodes if node.name not in self.machines]:
            raise NotYet(f"not running: {', '.join(missing)}")
        return [self.machines[node.name] for node in self.cluster.nodes]

    def on(self, node: Node, command: str) -> str:
        """The first line of what the command says on the node. NotYet where it does not end with 0."""
        return (self.all_of(node, command).strip().splitlines() or ["exit code 0"])[0][:100]

    def all_of(self, node: Node, command: str) -> str:
        """All that the command says on the node. NotYet where it does not end with 0."""
        ended = self.machines[node.name].shell().run(command, Deadline.after(30, scale=self.scale))
        if ended.code != 0:
            raise NotYet(f"exit code {ended.code}: {ended.output.strip()[-200:]}")
        return ended.output

    def clock(self, node: Node) -> str:
        return agrees(lambda command: self.all_of(node, command))

    def _init(self) -> str:
        form.init(self.cluster, self.machines, self.engine.scale)
        return "exit code 0, nothing of its preflight ignored"

    def _join(self) -> str:
        form.join(self.cluster, self._joining, self.machines, self.engine.scale)
        return f"exit code 0 on {', '.join(node.name for node in self._joining)}"

    def _power_off(self) -> str:
        endings = [machine.stop(grace=60 * self.scale) for machine in self._all_machines()]
        if wrong := [ending.how for ending in endings if ending.how != "powerdown"]:
            raise NotYet(f"ended by {', '.join(wrong)}")
        return "by themselves"

    def _stages(self) -> tuple[tuple[str, float], ...]:
        """When each stage was over, by the names that time-to-k8s gave them, in seconds since the machines' start."""
        passed = {f.id: f.began + f.seconds for f in self.engine.findings if f.outcome is Outcome.PASSED}
        ended = [(name, round(passed[check], 1)) for check, name in _STAGES if check in passed]
        return tuple(sorted(ended, key=lambda stage: stage[1]))


def _demand_clean(machine: Machine, story: Story) -> None:
    if story.faults:
        raise CheckError(f"{machine.spec.name}: {'; '.join(story.faults)}")


def run_suite(
    cluster: Cluster, suite: Suite, out: Path, e2e_test: Path | None = None, ledger: Ledger | None = None
) -> Report:  # fmt: skip
    """Runs the suite and writes what it found under `out`, interrupted or not; every machine is ended whatever happens."""
    run = Run(cluster, suite, out, e2e_test, ledger)
    made: Path | None = None
    out.mkdir(parents=True, exist_ok=True)
    try:
        made = _carried_out(run)
    except KeyboardInterrupt:
        write(run.report(None), run.cluster, out)
        if not run.collecting:  # else it was the collecting that was interrupted
            note("interrupted: collecting what is known so far; once more ends it at once")
            run.collect()
        raise
    finally:
        for machine in run.machines.values():
            machine.stop(grace=0)
    result = run.report(made)
    write(result, run.cluster, out)
    return result


def _carried_out(run: Run) -> Path | None:
    """The run itself; returns the bundle of diagnostics, where a check failed."""
    passed = run.boot() and run.form() and run.check()
    run.last_screens()
    if passed:
        run.power_off()
    return _collected(run) if run.engine.failed else None


def _collected(run: Run) -> Path | None:
    """The bundle, where it can be had: on a full disk the report, which is written first, is worth more."""
    write(run.report(None), run.cluster, run.out)
    try:
        return run.collect()
    except (OSError, KubeisoError) as error:
        warn(f"there are no diagnostics: {error}")
        return None
