"""cri-tools' tests of a container runtime (critest), which lies in a node's root: a few of them, or all that can pass there.

They run before kubeadm does: a kubelet would remove sandboxes that are no pods of its own.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from builder.acceptance.ginkgo import bounds, named, part_of, passed, verdict
from builder.aside import write_aside
from builder.checks import Check, NotYet
from builder.cluster.model import Cluster
from builder.deadline import Deadline
from builder.errors import CheckError
from builder.forming.onnode import Shell

# What the node's own images are enough for, but for what waits a minute for a deaf container.
FEW = (
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
_FEW_IMAGES = "defaultTestContainerImage: docker.io/kubeiso/client:1\nwebServerTestImage: docker.io/kubeiso/nginx:1\n"
# At native speed, for the few and for all.
_FEW_SECONDS, _SECONDS = 180.0, 1500.0
# critest mounts what containers shall see: so it runs among the mounts that the runtime has.
_IN_ITS_MOUNTS = ("nsenter", "-t", "1", "-m", "--")
WITHOUT: Mapping[str, str] = yaml.safe_load(Path(__file__).with_name("critest.yml").read_text())
"""What no node without a registry and a person's tools can show: a part of tests' names, and the reason."""


@dataclass(frozen=True)
class Critest:
    """out: where logs are kept. shell: the node's console."""

    cluster: Cluster
    out: Path
    scale: float
    shell: Callable[[], Shell]

    def few(self) -> list[Check]:
        """Where pods have no network before there is a cluster, nothing can be checked this early: no check then."""
        names = [name for name in FEW if not self._left_out(name, self.cluster.runtime.critest_without)]
        check = Check("A5", f"{len(names)} of critest's tests of the runtime", lambda: self.run_few(names), once=True)
        return [check] if self.cluster.network.host_ranges else []

    def whole(self) -> list[Check]:
        return [Check("A5", "critest's tests of the runtime, all that can pass here", self.run_all, once=True)]

    def run_few(self, names: Sequence[str]) -> str:
        deadline = Deadline.after(_FEW_SECONDS, scale=self.scale)
        images = "/tmp/critest.yml"
        self.shell().write_file(images, _FEW_IMAGES.encode(), deadline)
        ran = self._run([f"--test-images-file={images}", f"--ginkgo.focus={'|'.join(names)}"], deadline)
        return verdict(ran, names, part_of)

    def run_all(self) -> str:
        """critest itself tells which tests there are; what is left out is told with its reason."""
        if not self.cluster.network.host_ranges:
            raise CheckError("pods have no network before there is a cluster, which makes it: take a recipe with `cni: bridge`")
        without = {**WITHOUT, **self.cluster.runtime.critest_without}
        if not (known := self._listed()):
            raise NotYet("critest tells of 0 tests")
        wanted = [name for name in known if not self._left_out(name, without)]
        if unknown := [part for part in self.cluster.runtime.critest_without if not any(part in name for name in known)]:
            raise NotYet(f"critest has no test that is named {unknown[0]}")
        skipped = f"--ginkgo.skip={'|'.join(map(re.escape, without))}"
        ran = self._run([skipped], Deadline.after(_SECONDS, scale=self.scale))
        told = "; ".join(f"{part} ({reason})" for part, reason in without.items())
        return f"{verdict(ran, wanted, str.__eq__)}, {len(known) - len(wanted)} left out: {told}"

    def _listed(self) -> list[str]:
        report = "/tmp/critest-list.xml"
        deadline = Deadline.after(60, scale=self.scale)
        self.shell().run(f"critest --ginkgo.dry-run --ginkgo.junit-report={report} >/tmp/critest-list.log 2>&1", deadline)
        return named(self.shell().read_file(report, deadline))

    def _run(self, words: Sequence[str], deadline: Deadline) -> list[str]:
        """The tests that passed. The output comes back as a file, since a console is slow."""
        shell = self.shell()
        report, log = "/tmp/critest.xml", "/tmp/critest.log"
        argv = [
            *_IN_ITS_MOUNTS,
            "critest",
            f"--runtime-endpoint={self.cluster.runtime.socket}",
            *words,
            *bounds(report, deadline),
        ]
        code = shell.run(f"rm -f {report}; {shlex.join(argv)} >{log} 2>&1", deadline).code
        reading = Deadline.after(60, scale=self.scale)
        told = shell.read_file(log, reading).decode(errors="replace")
        write_aside(self.out / "critest.log", told)
        written = shell.run(f"test -s {report}", reading).code == 0
        return passed(code, shell.read_file(report, reading) if written else b"", told)

    @staticmethod
    def _left_out(name: str, parts: Mapping[str, str]) -> bool:
        return any(part in name for part in parts)
