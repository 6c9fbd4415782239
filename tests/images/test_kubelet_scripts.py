"""What the kubelet's service does with kubeadm: its scripts, in a root of their own, with programs that only note their calls."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from private_mounts import private_mounts

from builder.project import Project

SECONDS = 20.0
FOLDERS = (
    "dev", "etc/kubeadm/kube-system.init", "etc/kubernetes/pki", "programs", "proc", "run/config/kubeadm", "run/node-labels",
    "tmp", "usr", "var/lib/kubelet", "var/log",
)  # fmt: skip
IN_CHROOT = 'mount --rbind /usr "$1/usr" && mount --rbind /dev "$1/dev" && shift && exec chroot "$@"'
CONFIG = "nodeRegistration:\n  criSocket: unix:///run/x.sock\n"

# Each says what it was called with. kubeadm fails, in the words of the file `broken`, while there is one; what it leaves then is
# in `left`.
KUBEADM = """#!/bin/sh
echo "kubeadm $*" >>/calls
case $1 in
reset) rm -f /etc/kubernetes/kubelet.conf ;;
*)
    if [ -e /broken ]; then
        cat /broken
        echo "To see the stack trace of this error execute with --v=5 or higher"
        [ ! -e /left ] || { : >/etc/kubernetes/kubelet.conf; echo config >/var/lib/kubelet/config.yaml;
            echo 'KUBELET_KUBEADM_ARGS="--of=kubeadm"' >/var/lib/kubelet/kubeadm-flags.env; }
        exit 1
    fi
    : >/etc/kubernetes/kubelet.conf
    echo config >/var/lib/kubelet/config.yaml
    echo 'KUBELET_KUBEADM_ARGS="--of=kubeadm"' >/var/lib/kubelet/kubeadm-flags.env ;;
esac
"""
KUBELET = '#!/bin/sh\necho "kubelet $*" >>/calls\n[ ! -e /short ] || exit 3\nexec sleep 1000\n'
PIDOF = '#!/bin/sh\n[ "$*" = kubeadm ] && [ -e /at-work ]\n'
KUBECTL = """#!/bin/sh
echo "kubectl $* with $KUBECONFIG" >>/calls
[ ! -e /busy ] || { rm /busy; exit 1; }
case $* in *"auth whoami"*) echo system:node:one ;; esac
"""
# Answers too late as often as the file `late` has bytes; each question is one byte of `asked`.
CRICTL = """#!/bin/sh
[ "$*" = "--timeout 2s info" ] || exit 2
printf . >>/asked
[ ! -e /late ] || [ "$(stat -c %s /asked)" -gt "$(stat -c %s /late)" ]
"""


@dataclass(frozen=True)
class Node:
    """A node's files below `root`."""

    root: Path

    def put(self, path: str, text: str = "") -> None:
        (self.root / path).write_text(text)

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def calls(self, program: str = "") -> list[str]:
        """The calls so far, those of one program or all."""
        file = self.root / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if line.startswith(program)]

    def argv(self, script: str, *words: str) -> list[str]:
        return [*private_mounts(), "sh", "-c", IN_CHROOT, "sh", str(self.root), str(self.root), f"/programs/{script}", *words]

    def environment(self, pause: float = 0.2) -> dict[str, str]:
        return {"PATH": "/programs:/usr/bin:/usr/sbin:/bin:/sbin", "KUBEADM_PAUSE": str(pause)}

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv = self.argv(script, *words)
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=SECONDS, check=False)

    @contextmanager
    def service(self, pause: float = 0.2) -> Iterator[subprocess.Popen[bytes]]:
        """The service under way; what it says goes to `said`. `pause`: seconds between two attempts."""
        with (self.root / "said").open("ab") as said:
            argv = self.argv("kubelet.sh")
            process = subprocess.Popen(argv, env=self.environment(pause), stdout=said, stderr=said, start_new_session=True)
        try:
            yield process
        finally:  # the service's processes are a session of their own, as those of a container end with it
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def said(self) -> str:
        return (self.root / "said").read_text()


def eventually(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    scripts = Project.here().pkg / "kubelet" / "files" / "usr" / "bin"
    programs = {path.name: path.read_text() for path in scripts.iterdir()}
    for name, text in {
        **programs,
        "kubeadm": KUBEADM,
        "kubectl": KUBECTL,
        "kubelet": KUBELET,
        "pidof": PIDOF,
        "crictl": CRICTL,
    }.items():
        (tmp_path / "programs" / name).write_text(text)
        (tmp_path / "programs" / name).chmod(0o755)
    made = Node(tmp_path)
    made.put("etc/kubeadm/kubeadm.yaml", CONFIG)
    return made


def test_the_kubelet_waits_for_kubeadm(node: Node) -> None:
    with node.service():
        eventually(lambda: "waiting for kubeadm" in node.said(), "the service says that it waits")
        assert node.calls() == []
        node.put("var/lib/kubelet/config.yaml", "config")
        node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--a=1 --b=2"')
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    (call,) = node.calls()
    assert call.startswith("kubelet --config=/var/lib/kubelet/config.yaml ")
    assert call.endswith(" --a=1 --b=2")


def test_a_kubelet_that_ends_while_kubeadm_is_at_work_is_started_again_within_the_service(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("at-work")
    node.put("short")
    with node.service() as service:
        eventually(lambda: len(node.calls("kubelet")) >= 2, "the kubelet starts again")
        assert service.poll() is None
        (node.root / "at-work").unlink()
        assert service.wait(SECONDS) == 3
    assert "ended with exit code 3 while kubeadm is at work" in node.said()


LABEL = "example.org/vm=true"
TELL = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf label node one --overwrite"


@pytest.mark.parametrize("before", ["", "example.org/vm=false\n"], ids=["a new node", "one that had another processor"])
def test_a_node_says_by_labels_what_it_found_out_about_itself(node: Node, before: str) -> None:
    node.put("run/node-labels/virtualisation", f"{LABEL}\n")
    node.put("run/node-labels/more", "example.org/x=1\nexample.org/y=2\n")
    if before:
        node.put("var/lib/kubelet/node-labels", before)
    node.put("busy")  # the API server, at first
    node.put("var/lib/kubelet/config.yaml", "config\n")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=kubeadm"\n')
    with node.service():
        eventually(lambda: node.has("var/lib/kubelet/node-labels") and LABEL in told(node), "nobody was told")
    (kubelet,) = node.calls("kubelet")
    assert kubelet.endswith(f"--of=kubeadm --node-labels=example.org/x=1,example.org/y=2,{LABEL}")
    assert f"{TELL} example.org/x=1 example.org/y=2 {LABEL} with " in node.calls("kubectl")[-1]


def told(node: Node) -> str:
    return (node.root / "var/lib/kubelet/node-labels").read_text()


def test_what_the_cluster_knows_already_is_not_said_again(node: Node) -> None:
    node.put("var/lib/kubelet/node-labels", f"{LABEL}\n")
    assert node.run("node-labels.sh", LABEL).returncode == 0
    assert node.calls() == []


def test_a_node_that_found_nothing_out_says_nothing(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config\n")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=kubeadm"\n')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "no kubelet")
    assert "node-labels" not in node.calls("kubelet")[0] and node.calls("kubectl") == []


def test_the_service_stops_its_kubelet(node: Node) -> None:
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    node.put("at-work")
    with node.service() as service:
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        service.terminate()
        assert service.wait(SECONDS) == 143
        with pytest.raises(ProcessLookupError):
            os.killpg(service.pid, 0)
    assert len(node.calls("kubelet")) == 1


def test_init_takes_the_configuration_that_somebody_put_there(node: Node) -> None:
    assert node.run("kubeadm-init.sh", "--v=1").returncode == 0
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run("kubeadm-init.sh").returncode == 0
    assert node.calls() == [
        "kubeadm init --config /etc/kubeadm/kubeadm.yaml --v=1",
        "kubeadm init --config /run/config/kubeadm/kubeadm.yaml",
    ]


@pytest.mark.parametrize(("late", "asked"), [("", 1), ("...", 4), ("." * 99, 10)], ids=["at once", "later", "never"])
@pytest.mark.parametrize("script", ["kubeadm-init.sh", "kubeadm-join.sh"])
def test_the_runtime_is_asked_until_it_answers_in_kubeadm_s_time(node: Node, script: str, late: str, asked: int) -> None:
    """In the end kubeadm runs all the same, and says what is wrong."""
    node.put("late", late)
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run(script).returncode == 0
    assert (node.root / "asked").stat().st_size == asked
    assert node.calls("kubeadm") == [f"kubeadm {script[8:12]} --config /run/config/kubeadm/kubeadm.yaml"]


def test_init_applies_the_manifests_even_if_the_server_is_busy(node: Node) -> None:
    node.put("etc/kubeadm/kube-system.init/50-a.yaml", "a")
    node.put("run/config/kubeadm/untaint-master")
    node.put("busy")
    assert node.run("kubeadm-init.sh").returncode == 0
    admin = "with /etc/kubernetes/admin.conf"
    applied = f"kubectl apply -f /etc/kubeadm/kube-system.init/50-a.yaml {admin}"
    untainted = f"kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- {admin}"
    assert node.calls("kubectl") == [applied, applied, untainted]


def test_a_failed_init_applies_nothing(node: Node) -> None:
    node.put("etc/kubeadm/kube-system.init/50-a.yaml", "a")
    node.put("broken")
    assert node.run("kubeadm-init.sh").returncode == 1
    assert node.calls("kubectl") == []


def test_join_prefers_the_nodes_own_configuration(node: Node) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x")
    node.put("run/config/kubeadm/kubeadm.yaml")
    assert node.run("kubeadm-join.sh", "--v=1").returncode == 0
    assert node.calls() == ["kubeadm join --config /run/config/kubeadm/kubeadm.yaml --v=1"]


def test_join_takes_arguments_before_the_file_of_arguments(node: Node) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443 --token x\n")
    assert node.run("kubeadm-join.sh", "10.0.0.2:6443").returncode == 0
    assert node.run("kubeadm-join.sh").returncode == 0
    assert node.calls() == [
        "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.2:6443",
        "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.1:6443 --token x",
    ]


def test_join_without_a_word_says_what_is_missing(node: Node) -> None:
    done = node.run("kubeadm-join.sh")
    assert done.returncode == 1
    assert "which cluster?" in done.stderr
    assert node.calls() == []


@pytest.mark.parametrize(
    ("verb", "words", "call"),
    [
        ("init", "--v=1\n", "kubeadm init --config /etc/kubeadm/kubeadm.yaml --skip-token-print --v=1"),
        ("init", "", "kubeadm init --config /etc/kubeadm/kubeadm.yaml --skip-token-print"),
        ("join", "10.0.0.1:6443 --token x\n", "kubeadm join --cri-socket unix:///run/x.sock 10.0.0.1:6443 --token x"),
    ],
)
def test_a_node_does_by_itself_what_its_metadata_asks_for_and_only_once(node: Node, verb: str, words: str, call: str) -> None:
    node.put(f"run/config/kubeadm/{verb}", words)
    with node.service():
        eventually(lambda: f"kubeadm {verb} is done" in node.said(), "kubeadm ends well")
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    with node.service():
        eventually(lambda: len(node.calls("kubelet")) == 2, "the kubelet starts again")
    assert node.calls("kubeadm") == [call]
    assert not node.has("etc/kubernetes/unfinished")


def test_a_node_that_somebody_made_a_member_is_left_alone(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put("etc/kubernetes/kubelet.conf")
    node.put("var/lib/kubelet/config.yaml", "config")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS=""')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
    assert node.calls("kubeadm") == []


CHECK = "\t[ERROR Port-10250]: Port 10250 is in use\n"
CHECKS = f"{CHECK}[preflight] If you know what you are doing\nerror: error execution phase preflight: preflight checks failed\n"


@pytest.mark.parametrize(
    ("words", "told"), [("error: no such cluster\n", "error: no such cluster"), (CHECKS, CHECK.strip())], ids=["error", "check"]
)
def test_what_fails_is_said_and_tried_again(node: Node, words: str, told: str) -> None:
    node.put("run/config/kubeadm/join", "10.0.0.1:6443")
    node.put("broken", words)
    with node.service():
        eventually(lambda: len(node.calls("kubeadm join")) >= 2, "a second attempt")
        assert re.search(rf"kubeadm join failed, .* s: {re.escape(told)}$", node.said(), re.MULTILINE)
        assert node.calls("kubelet") == []
        (node.root / "broken").unlink()
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        eventually(lambda: "kubeadm join is done" in node.said(), "kubeadm ends well")


def test_after_a_failure_that_left_a_kubelet_running_the_service_begins_anew(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    node.put("broken")
    node.put("left")
    with node.service(pause=3) as service:
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts with what the attempt left")
        service.wait(SECONDS)
    (node.root / "broken").unlink()
    with node.service():
        eventually(lambda: "kubeadm init is done" in node.said(), "kubeadm ends well")
        eventually(lambda: len(node.calls("kubelet")) == 2, "the kubelet starts")
    assert [call.split()[1] for call in node.calls("kubeadm")] == ["init", "reset", "init"]


def test_an_attempt_that_a_power_cut_ended_is_cleared_first(node: Node) -> None:
    node.put("run/config/kubeadm/init")
    for path in ("etc/kubernetes/kubelet.conf", "etc/kubernetes/unfinished", "var/lib/kubelet/config.yaml"):
        node.put(path, "old")
    node.put("var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--of=before"')
    with node.service():
        eventually(lambda: bool(node.calls("kubelet")), "the kubelet starts")
        eventually(lambda: "kubeadm init is done" in node.said(), "kubeadm ends well")
    assert [call.split()[1] for call in node.calls("kubeadm")] == ["reset", "init"]
    assert node.calls("kubeadm reset") == ["kubeadm reset --force --cri-socket unix:///run/x.sock"]
    assert node.calls("kubelet")[0].endswith("--of=kubeadm")
