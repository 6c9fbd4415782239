"""Kubernetes' own end-to-end tests against a cluster, a few of them; the suite conformance has all (upstream.py)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.acceptance.ginkgo import bounds, part_of, passed, verdict
from builder.acceptance.upstream import started
from builder.checks import Check
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll

# The test of Sonobuoy's mode "quick", and the two that `talosctl health --run-e2e` adds.
E2E = (
    "Pods should be submitted and removed",
    "Services should serve a basic endpoint from pods",
    "Services should be able to change the type from ExternalName to ClusterIP",
)
_SECONDS = 300.0
"""At native speed, for all of them."""


@dataclass(frozen=True)
class Conformance:
    """e2e_test: the program, which runs on this machine. out: where logs are kept. alive: raises when a machine is gone."""

    cluster: Cluster
    e2e_test: Path
    out: Path
    scale: float
    alive: Callable[[], None]

    def checks(self) -> list[Check]:
        return [Check("A16", f"{len(E2E)} of Kubernetes' own end-to-end tests", self.e2e, once=True)]

    def e2e(self) -> str:
        cluster = self.cluster
        report, log = cluster.directory / "e2e.xml", self.out / "e2e.log"
        report.unlink(missing_ok=True)
        deadline = Deadline.after(_SECONDS, scale=self.scale)
        words = [f"--ginkgo.focus={'|'.join(E2E)}", *bounds(str(report), deadline)]
        with started(self.e2e_test, cluster, log, words) as ended_with:
            code = poll(lambda: self._while_alive(ended_with), deadline, what=f"the end of e2e.test, see {log}")
        ran = passed(code, report.read_bytes() if report.exists() else b"", log.read_text(errors="replace"))
        return verdict(ran, E2E, part_of)

    def _while_alive(self, ended: Callable[[], int | None]) -> int | None:
        self.alive()
        return ended()
