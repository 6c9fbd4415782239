"""A node of its own for the kubelet's scripts: a root with stand-ins for the programs that they call."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from private_mounts import private_mounts

from builder.project import Project

SECONDS = 20.0
FOLDERS = (
    "dev", "etc/kubeadm/kube-system.init", "etc/kubelet.conf.d", "etc/kubernetes/manifests", "etc/kubernetes/pki", "programs",
    "proc", "run/config/kubeadm", "run/node-labels", "tmp", "usr", "var/lib/etcd", "var/lib/kubelet", "var/log",
)  # fmt: skip
IN_CHROOT = 'mount --rbind /usr "$1/usr" && mount --rbind /dev "$1/dev" && shift && exec chroot "$@"'
CONFIG = "nodeRegistration:\n  criSocket: unix:///run/x.sock\n"

# Each says what it was called with. kubeadm fails, in the words of the file `broken`, while there is one; what it leaves then is
# in `left`. A cluster's authority is new with each init; once kubeadm gives out tokens, `told` has what others trust.
KUBEADM = """#!/bin/sh
step
echo "kubeadm $*" >>/calls
k=/etc/kubernetes
left() {
    echo "certificate" >$k/kubelet.conf
    echo config >/var/lib/kubelet/config.yaml
    echo 'KUBELET_KUBEADM_ARGS="--of=kubeadm"' >/var/lib/kubelet/kubeadm-flags.env
}
late() { [ -s $k/pki/ca.key ] && [ -s $k/kubelet.conf ] && cat $k/pki/ca.key >>/told; }
if [ "$1" = reset ]; then
    rm -rf $k/kubelet.conf $k/pki $k/manifests/* /var/lib/etcd/member
    step
    exit
fi
if [ -e /broken ]; then
    cat /broken
    echo "To see the stack trace of this error execute with --v=5 or higher"
    [ ! -e /left ] || left
    exit 1
fi
case $* in
"init phase kubeconfig kubelet "*) [ -s $k/pki/ca.key ] || exit 1
    [ ! -e $k/kubelet.conf ] || { echo "error: it exists"; exit 1; }
    cat "$6" >/asked-for
    step
    made=$(echo "-----BEGIN CERTIFICATE of $(cat $k/pki/ca.key)" | base64)
    printf '    client-certificate-data: %s\n' "$made" >$k/kubelet.conf
    printf '    client-key-data: %s\n' "$(echo "the key" | base64)" >>$k/kubelet.conf ;;
"upgrade apply "*) sed -i "s/^kubernetesVersion:.*/kubernetesVersion: $(sed -n 's/^  kubernetesVersion: //p' "$4")/" /cluster
    step
    : >/var/lib/kubelet/config.yaml
    step
    echo upgraded >/var/lib/kubelet/config.yaml ;;
"upgrade node "*) : >/var/lib/kubelet/config.yaml
    step
    echo upgraded >/var/lib/kubelet/config.yaml ;;
init*--skip-phases=preflight,*) late || exit 1
    : >$k/kubelet.conf
    step
    echo "certificate" >$k/kubelet.conf ;;
init*)
    [ ! -e $k/kubelet.conf ] || { echo "error: something is left"; exit 1; }
    mkdir -p $k/pki
    date +%s%N >$k/pki/ca.key
    left
    step
    mkdir -p $k/manifests /var/lib/etcd/member/snap
    echo data >/var/lib/etcd/member/snap/db
    echo "    - --name=one" >$k/manifests/etcd.yaml
    echo "    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.0.0.1:6443" >$k/manifests/kube-apiserver.yaml
    echo "    image: registry.k8s.io/kube-apiserver:v1.36.3" >>$k/manifests/kube-apiserver.yaml
    step
    case $* in *--skip-phases=upload-config,*) ;; *) late ;; esac ;;
*) left ;;
esac
step
"""
KUBELET = '#!/bin/sh\necho "kubelet $*" >>/calls\n[ ! -e /short ] || exit 3\nexec /usr/bin/sleep 1000\n'
PIDOF = '#!/bin/sh\n[ "$*" = kubeadm ] && [ -e /at-work ]\n'
# The API server refuses the manifest that the file `refused` names. It is of the version `served`, where that is
# not empty, and has what this node's manifest names; the cluster's configuration is `cluster`.
KUBECTL = """#!/bin/sh
step
echo "kubectl $* with ${KUBECONFIG:-}" >>/calls
[ ! -e /busy ] || { rm /busy; exit 1; }
case $* in
*"auth whoami"*) [ ! -e /stranger ] || { echo 'error: You must be logged in to the server (Unauthorized)' >&2; exit 1; }
    echo system:node:one ;;
*"get --raw"*) [ ! -e /served ] || [ -s /served ] || { echo "connection refused" >&2; exit 1; }
    printf '{ "gitVersion": "v%s" }' "$(cat /served)" ;;
*"get pod kube-apiserver-one "*) sed -n 's/^ *image: *//p' /etc/kubernetes/manifests/kube-apiserver.yaml ;;
*"get configmap kubeadm-config "*) cat /cluster ;;
*"create configmap kubeadm-config "*"--dry-run"*) for word; do case $word in --from-file=*) cat "${word#*=}" ;; esac; done ;;
"replace -f -") cat >/cluster ;;
"apply -f "*) [ "$3" != "$(cat /refused 2>/dev/null)" ] || { echo 'The Deployment "x" is invalid: spec' >&2; exit 1; } ;;
esac
step
"""
# A part of the control plane runs while its manifest is there, and one that is `stuck` for good. Otherwise it answers too late as
# often as the file `late` has bytes; each question is one byte of `asked`.
CRICTL = """#!/bin/sh
case $* in
"ps "*)
    part=${*##*container.name=}
    [ ! -e "/etc/kubernetes/manifests/$part.yaml" ] && [ "$part" != "$(cat /stuck 2>/dev/null)" ] || echo "of-$part"
    exit ;;
"exec --sync of-etcd etcdctl "*"endpoint health") [ ! -e /alone ] || { echo "context deadline exceeded"; exit 1; }; exit ;;
"exec --sync of-etcd etcdctl "*"snapshot save "*) cp /var/lib/etcd/member/snap/db "${*##* }"; exit ;;
esac
[ "$*" = "--timeout 2s info" ] || exit 2
printf . >>/asked
[ ! -e /late ] || [ "$(stat -c %s /asked)" -gt "$(stat -c %s /late)" ]
"""
SERVICE = '#!/bin/sh\necho "$*" >>/console\n'
LOGFILE = '#!/bin/sh\nexec cat >>"$1"\n'
CERTIFICATES = """#!/bin/sh
[ "$1" != name ] || { cat /known-as 2>/dev/null; exit; }
echo "$* after $(cat /calls 2>/dev/null | grep -c ^kubelet) kubelets" >>/certificates
[ "$1" != watch ] || exec /usr/bin/sleep 1000
[ ! -e /short-of-room ] || exit 4
"""
# etcd's data is a file `db`; damaged is what begins with that word.
ETCDUTL = """#!/bin/sh
case $* in
version) echo "etcdutl version: 3.6.8" ;;
*"snapshot status "*)
    ! grep -q ^damaged "${*##* }" || { echo "Error: file checksum mismatch"; exit 1; }
    version=$(cat /made-by 2>/dev/null || echo 3.6.0)
    echo '{"hash":1,"revision":500,"totalKey":3,"totalSize":20480,"version":"'"$version"'"}' ;;
"snapshot restore "*)
    echo "$*" >>/restored
    mkdir -p "$5/member/snap" && cp "$3" "$5/member/snap/db" ;;
*) exit 2 ;;
esac
"""
DF = """#!/bin/sh
echo Filesystem
echo "/dev/vda 9000000 1000000 $(cat /free 2>/dev/null || echo 8000000) 12% /var"
"""
# Cuts the power, where the file `cut` says at which step.
STEP = """#!/bin/sh
[ -s /cut ] || exit 0
printf . >>/steps
[ "$(stat -c %s /steps)" -lt "$(cat /cut)" ] || kill -9 0
"""
# What is on the disk for sure.
# Exit code 1: a file changed meanwhile, as files on a disk do, too.
SYNC = """#!/bin/sh
step
tar -C / -cf /disk.new etc/kubernetes var/lib 2>/dev/null || [ $? = 1 ] || exit
/usr/bin/mv /disk.new /disk.tar
"""
MV = '#!/bin/sh\nstep\nexec /usr/bin/mv "$@"\n'
CP = '#!/bin/sh\nstep\nexec /usr/bin/cp "$@"\n'
RM = '#!/bin/sh\nstep\nexec /usr/bin/rm "$@"\n'
# A second is long where nothing is to be waited for.
SLEEP = '#!/bin/sh\n[ "$1" != 1 ] || set -- 0.05\nexec /usr/bin/sleep "$@"\n'

PROGRAMS = {
    "kubeadm": KUBEADM, "kubectl": KUBECTL, "kubelet": KUBELET, "pidof": PIDOF, "crictl": CRICTL, "service": SERVICE,
    "logfile": LOGFILE, "certificates": CERTIFICATES, "etcdutl": ETCDUTL, "df": DF, "step": STEP,
    "sync": SYNC, "mv": MV, "cp": CP, "rm": RM, "sleep": SLEEP,
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A node's files below `root`."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "Node":
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        scripts = Project.here().pkg / "kubelet" / "files" / "usr" / "bin"
        for name, text in {**{path.name: path.read_text() for path in scripts.iterdir()}, **PROGRAMS}.items():
            (root / "programs" / name).write_text(text)
            (root / "programs" / name).chmod(0o755)
        (root / "programs" / "awk").symlink_to(Path(shutil.which("awk") or "awk").resolve())  # by way of /etc elsewhere
        made = cls(root)
        made.put("etc/kubeadm/kubeadm.yaml", CONFIG)
        return made

    def put(self, path: str, text: str = "") -> None:
        (self.root / path).write_text(text)

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def text(self, path: str) -> str:
        return (self.root / path).read_text() if self.has(path) else ""

    def calls(self, program: str = "") -> list[str]:
        """The calls so far, those of one program or all."""
        return [line for line in self.text("calls").splitlines() if line.startswith(program)]

    def argv(self, script: str, *words: str) -> list[str]:
        return [*private_mounts(), "sh", "-c", IN_CHROOT, "sh", str(self.root), str(self.root), f"/programs/{script}", *words]

    def environment(self, pause: float = 0.2) -> dict[str, str]:
        patience = self.text("patience") or "20"
        path = "/programs:/usr/bin:/usr/sbin:/bin:/sbin"
        return {"PATH": path, "KUBEADM_PAUSE": str(pause), "NAME_PAUSE": "0.1", "ETCD_RESTORE_PATIENCE": patience}

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        argv = self.argv(script, *words)
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=SECONDS, check=False)

    @contextmanager
    def service(self, pause: float = 0.2) -> Iterator[subprocess.Popen[bytes]]:
        """The service under way; what it says goes to `said`. `pause`: seconds between the first two attempts."""
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
        return self.text("said")


def eventually(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.02)
