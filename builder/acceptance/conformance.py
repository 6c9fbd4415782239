"""Checks that others wrote: Kubernetes' end-to-end tests against the cluster, and critest against a node's container runtime.

Both programs are suites of Ginkgo (onsi.github.io/ginkgo). What they run is named here; it passed when the program ended with
exit code 0 and its own report has each of those tests as passed and no other as run.
"""

import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.acceptance.upstream import access
from builder.aside import write_aside
from builder.checks import Check, NotYet
from builder.cluster.kubectl import Kubectl, last_line
from builder.cluster.model import Cluster
from builder.deadline import Deadline, poll
from builder.forming.onnode import Shell
from builder.run import spawn

# The test of Sonobuoy's mode "quick", and the two that `talosctl health --run-e2e` adds.
E2E = (
    "Pods should be submitted and removed",
    "Services should serve a basic endpoint from pods",
    "Services should be able to change the type from ExternalName to ClusterIP",
)
# Of cri-tools' pkg/validate: what the node's own images are enough for, but for what waits a minute for a deaf container.
CRITEST = (
    "runtime should return version info",
    "runtime should return runtime conditions",
    "runtime should support running PodSandbox",
    "runtime should support stopping PodSandbox",
    "runtime should support removing PodSandbox",
    "runtime should support removing running container",
    "runtime should support preserving container attributes",
    "runtime should support listing container stats",
    "runtime should support starting container with volume when host path is a symlink",
    "runtime should support starting container with log",
    "runtime should support DNS config",
    "runtime should support set hostname",
    "runtime should support port mapping with only container port",
    "runtime should support exec with tty=false and stdin=false",
)
_CRITEST_IMAGES = "defaultTestContainerImage: docker.io/kubeiso/client:1\nwebServerTestImage: docker.io/kubeiso/nginx:1\n"
# Seconds at native speed for all tests of a program, and the part of the deadline after which it ends itself, with a report.
_E2E_SECONDS, _CRITEST_SECONDS, _OWN_LIMIT = 300.0, 180.0, 0.9
# Ginkgo's states of a test that did not go wrong (types.SpecState).
_GOOD = ("passed", "skipped", "pending")


@dataclass(frozen=True)
class Conformance:
    """e2e_test: the program, which runs on this machine. out: where logs are kept. alive: raises when a machine is gone."""

    cluster: Cluster
    e2e_test: Path
    out: Path
    scale: float
    alive: Callable[[], None]

    def runtime_checks(self, shell: Callable[[], Shell]) -> list[Check]:
        """For a node whose kubelet does not run yet: it would remove sandboxes that are no pods of its own.

        shell: the node's console. Where pods have no network before there is a cluster, nothing can be checked this early.
        """
        if not self.cluster.network.host_ranges:
            return []
        count = len(self.critest_names())
        return [Check("A5", f"{count} of critest's tests of the runtime", lambda: self.critest(shell()), once=True)]

    def checks(self) -> list[Check]:
        return [Check("A16", f"{len(E2E)} of Kubernetes' own end-to-end tests", self.e2e, once=True)]

    def critest_names(self) -> tuple[str, ...]:
        """critest's tests but for those of which the runtime's description says why it can't pass them."""
        return tuple(name for name in CRITEST if name not in self.cluster.runtime.critest_without)

    def critest(self, shell: Shell) -> str:
        """critest lies in the node's root; its output comes back as a file, since a console is slow."""
        report, log, images = (f"/tmp/critest.{suffix}" for suffix in ("xml", "log", "yml"))
        deadline = Deadline.after(_CRITEST_SECONDS, scale=self.scale)
        shell.write_file(images, _CRITEST_IMAGES.encode(), deadline)
        argv = ["critest", f"--runtime-endpoint={self.cluster.runtime.socket}", f"--test-images-file={images}"]
        command = shlex.join([*argv, *_selection(self.critest_names(), report, deadline)])
        code = shell.run(f"rm -f {report}; {command} >{log} 2>&1", deadline).code
        reading = Deadline.after(60, scale=self.scale)
        told = shell.read_file(log, reading).decode(errors="replace")
        write_aside(self.out / "critest.log", told)
        written = shell.run(f"test -s {report}", reading).code == 0
        return verdict(code, shell.read_file(report, reading) if written else b"", told, self.critest_names())

    def e2e(self) -> str:
        cluster = self.cluster
        report, log = cluster.directory / "e2e.xml", self.out / "e2e.log"
        report.unlink(missing_ok=True)
        deadline = Deadline.after(_E2E_SECONDS, scale=self.scale)
        argv = [str(self.e2e_test), *access(cluster), *_selection(E2E, str(report), deadline)]
        with log.open("wb") as to, spawn(argv, env=Kubectl(cluster).env, stdout=to, stderr=to) as process:
            code = poll(lambda: self._while_alive(process.poll), deadline, what=f"the end of e2e.test, see {log}")
        return verdict(code, report.read_bytes() if report.exists() else b"", log.read_text(errors="replace"), E2E)

    def _while_alive(self, ended: Callable[[], int | None]) -> int | None:
        self.alive()
        return ended()


def _selection(names: Sequence[str], report: str, deadline: Deadline) -> list[str]:
    """Ginkgo's arguments for these tests, a report and a time limit."""
    focus, limit = "|".join(names), f"{deadline.remaining * _OWN_LIMIT:.0f}s"
    return [f"--ginkgo.focus={focus}", f"--ginkgo.timeout={limit}", f"--ginkgo.junit-report={report}", "--ginkgo.no-color"]


def verdict(code: int, report: bytes, log: str, wanted: Sequence[str]) -> str:
    """The proof that each wanted test ran once and passed, and that nothing else ran; raises NotYet with the reason otherwise.

    code: the program's exit code. report: Ginkgo's JUnit XML; empty where there is none. log: the program's output.
    """
    if not report:
        raise NotYet(f"exit code {code} and no report: {last_line(log)}")
    try:
        cases = list(ElementTree.fromstring(report).iter("testcase"))
    except ElementTree.ParseError as error:
        raise NotYet(f"exit code {code} and a report that is cut: {error}") from error
    wrong = [f"{case.get('name')}: {_message(case)}" for case in cases if case.get("status") not in _GOOD]
    if wrong or code != 0:
        raise NotYet("; ".join(wrong) or f"exit code {code}: {last_line(log)}")
    # What is set up before the tests has lines of its own, which begin with another word.
    ran = [case.get("name", "") for case in cases if case.get("status") == "passed" and case.get("name", "").startswith("[It] ")]
    if len(ran) != len(wanted) or any(sum(name in test for test in ran) != 1 for name in wanted):
        raise NotYet(f"{len(ran)} tests ran, not the {len(wanted)} that were asked for: {', '.join(ran) or 'none'}")
    return f"{len(ran)} of {len(wanted)} passed"


def _message(case: ElementTree.Element) -> str:
    """What a failed test says, in a few words."""
    told = (part.get("message") or part.text or "" for part in case if part.tag in ("failure", "error"))
    return " ".join(f"{case.get('status')} {' '.join(told)}".split())[:300]
