"""Whether a node can run virtual machines: its onboot step in a root of its own, with a processor and devices of the test."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from private_mounts import private_mounts

from builder.project import Project

SECONDS = 20
SCRIPT = Project.here().pkg / "virtualisation" / "files" / "usr" / "bin" / "virtualisation.sh"
IN_CHROOT = 'mount --rbind /usr "$1/usr" && mount --rbind /dev "$1/dev" && shift && exec chroot "$@"'
AMD, INTEL, PLAIN = "fpu svm sse2", "fpu vmx sse2", "fpu svmx sse2"
LABEL = "example.org/vm"
# Notes its calls, and fails for what is no module of this kernel.
MODPROBE = '#!/bin/sh\necho "$*" >>/calls\ncase $2 in kvm_intel) exit 1 ;; esac\n'


@dataclass(frozen=True)
class Machine:
    root: Path

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def boot(self) -> str:
        """The step's last word, which the console shows."""
        words = [*private_mounts(), "sh", "-c", IN_CHROOT, "sh", str(self.root), str(self.root), "/programs/virtualisation.sh"]
        path = {"PATH": "/programs:/usr/bin:/usr/sbin:/bin"}
        done = subprocess.run(words, env=path, capture_output=True, text=True, timeout=SECONDS, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()[-1]

    @property
    def labels(self) -> str:
        return (self.root / "run/node-labels/virtualisation").read_text()

    @property
    def loaded(self) -> list[str]:
        calls = self.root / "calls"
        return [line.split()[-1] for line in calls.read_text().splitlines()] if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for folder in ("dev", "proc", "usr", "run/node-labels"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    made = Machine(tmp_path)
    made.put("programs/virtualisation.sh", SCRIPT.read_text())
    made.put("programs/modprobe", MODPROBE)
    for program in (tmp_path / "programs").iterdir():
        program.chmod(0o755)
    made.put("etc/virtualisation/modules", "kvm_amd\nkvm_intel\nvhost_vsock\n")
    made.put("etc/virtualisation/devices", "/dev/null\n/dev/zero\n")
    made.put("etc/virtualisation/labels", f"{LABEL}\n")
    return made


def cpu(machine: Machine, flags: str) -> None:
    machine.put("proc/cpuinfo", f"processor\t: 0\nflags\t\t: {flags}\nvmx flags\t: vnmi svm\n")


@pytest.mark.parametrize("flags", [AMD, INTEL])
def test_a_processor_that_virtualises_and_its_devices(machine: Machine, flags: str) -> None:
    cpu(machine, flags)
    assert machine.boot() == "this node runs virtual machines for pods"
    assert machine.loaded == ["kvm_amd", "kvm_intel", "vhost_vsock"], "the other vendor's does no harm"
    assert machine.labels == f"{LABEL}=true\n"


def test_a_processor_that_does_not(machine: Machine) -> None:
    cpu(machine, PLAIN)
    assert "neither vmx nor svm" in machine.boot()
    assert machine.loaded == [] and machine.labels == f"{LABEL}=false\n"


def test_a_device_that_is_not_there(machine: Machine) -> None:
    cpu(machine, AMD)
    machine.put("etc/virtualisation/devices", "/dev/null\n/dev/kubeiso-nothing\n/dev/zero\n")
    said = machine.boot()
    assert said.startswith("this node runs no virtual machines") and said.endswith("/dev/kubeiso-nothing can't be opened")
    assert machine.labels == f"{LABEL}=false\n"


def test_every_handler_s_label_is_told(machine: Machine) -> None:
    cpu(machine, AMD)
    machine.put("etc/virtualisation/labels", f"{LABEL}\nexample.org/other\n")
    machine.put("run/node-labels/virtualisation", "left=from before\n")
    machine.boot()
    assert machine.labels == f"{LABEL}=true\nexample.org/other=true\n"
