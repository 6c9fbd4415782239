"""The probe of acceleration, with a QEMU that behaves as hosts do."""

import gzip
import os
import sys
from pathlib import Path

import pytest

from builder.architecture import AMD64
from builder.errors import InputError
from builder.machine import accel
from builder.machine.accel import probe, probe_command, probe_initrd
from builder.machine.model import Acceleration
from builder.store import Store

OK = 'open(console, \'w\').write(\'noise\\nKUBEISO {{"t":1,"stage":"probe","state":"ok","cpu_ms":{}}}\\n\'); time.sleep(30)'
HANGS = "open(console, 'w').write('Probing EDD (edd=off to disable)... ok\\n'); time.sleep(30)"
ASSERTS = "sys.exit('fake: Assertion failed: msrs')"
FAST, SLOW = OK.format(40), "time.sleep(0.6); " + OK.format(400)

PROGRAM = """#!{python}
import sys, time
if "--version" in sys.argv:
    print("QEMU emulator version 0.0 (fake)"); sys.exit()
open({calls!r}, "a").write(sys.argv[sys.argv.index("-accel") + 1] + "\\n")
console = sys.argv[sys.argv.index("-serial") + 1].removeprefix("file:")
if "kvm" in sys.argv:
    {kvm}
else:
    {tcg}
"""


class Host:
    """A host whose QEMU does `kvm` and `tcg` (Python) when a probe is booted so."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = tmp_path
        self.store = Store(tmp_path / "store")
        self.device = tmp_path / "kvm"
        self.device.touch()
        monkeypatch.setattr(accel, "_DEVICE", self.device)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv(accel.OVERRIDE, raising=False)

    def probe(self, kvm: str = ASSERTS, tcg: str = FAST) -> Acceleration:
        program = self.root / "qemu-system-x86_64"
        program.write_text(PROGRAM.format(python=sys.executable, calls=str(self.root / "calls"), kvm=kvm, tcg=tcg))
        program.chmod(0o755)
        return probe(self.store, self.root / "vmlinuz", self.root / "initrd.img", AMD64)

    @property
    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_kvm_that_works_is_taken(host: Host) -> None:
    assert host.probe(kvm=FAST).name == "kvm"
    assert host.calls == ["kvm"]


def test_kvm_that_opens_and_hangs_is_not_taken(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "KVM_SECONDS", 1.5)
    found = host.probe(kvm=HANGS)
    assert found.name == "tcg"
    assert "did not come to userspace within 2 s" in found.reason


def test_kvm_in_which_qemu_fails_is_not_taken(host: Host) -> None:
    found = host.probe(kvm=ASSERTS)
    assert found.name == "tcg"
    assert "Assertion failed: msrs" in found.reason


def test_slow_kvm_is_compared_with_emulation(host: Host) -> None:
    found = host.probe(kvm=SLOW, tcg=FAST)
    assert found.name == "tcg"
    assert host.calls == ["kvm", "tcg,thread=multi,tb-size=170"]


def test_slow_kvm_is_still_better_than_slower_emulation(host: Host) -> None:
    assert host.probe(kvm=SLOW, tcg="time.sleep(0.8); " + SLOW).name == "kvm"


def test_no_device_needs_no_probe(host: Host) -> None:
    host.device.unlink()
    assert "no /dev/kvm" in host.probe(kvm=FAST).reason
    assert host.calls == []


def test_what_a_user_can_mend_is_not_remembered(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.device.unlink()
    assert "no /dev/kvm" in host.probe(kvm=FAST).reason
    host.device.touch()
    access = os.access
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: path != host.device and access(path, mode))
        assert "group kvm" in host.probe(kvm=FAST).reason
    assert host.probe(kvm=FAST).name == "kvm"


def test_another_device_is_probed_anew(host: Host) -> None:
    """As after its module was loaded again."""
    assert host.probe(kvm=ASSERTS).name == "tcg"
    host.device.unlink()
    host.device.touch()
    assert host.probe(kvm=FAST).name == "kvm"


def test_it_is_found_out_once_for_each_boot_of_the_host(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    first = host.probe(kvm=FAST)
    assert host.probe(kvm=HANGS) == first
    assert host.calls == ["kvm"]
    monkeypatch.setattr(accel, "boot_id", lambda: "another")
    assert host.probe(kvm=ASSERTS).name == "tcg"


@pytest.mark.parametrize("name", ["kvm", "tcg"])
def test_the_user_decides(host: Host, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("KUBEISO_ACCEL", name)
    assert host.probe(kvm=HANGS).name == name
    assert host.calls == []


def test_a_wrong_word_of_the_user_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEISO_ACCEL", "xen")
    with pytest.raises(InputError, match="neither kvm nor tcg"):
        host.probe()


def test_the_probes_initramfs_holds_the_program(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF and more")
    probe_initrd(tmp_path / "program", tmp_path / "one")
    probe_initrd(tmp_path / "program", tmp_path / "two")
    archive = gzip.decompress((tmp_path / "one").read_bytes())
    assert b"init\0" in archive
    assert b"\x7fELF and more" in archive
    assert b"dev/console\0" in archive
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_probes_command() -> None:
    tcg = Acceleration(name="tcg", reason="")
    assert probe_command(tcg, Path("/k"), Path("/i"), Path("/tmp/a,b")) == [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35,vmport=off",
        "-accel", "tcg,thread=multi,tb-size=170", "-cpu", AMD64.qemu.emulated, "-smp", "2", "-m", "512",
        "-display", "none", "-no-reboot",
        "-serial", "file:/tmp/a,,b", "-kernel", "/k", "-initrd", "/i", "-append", "console=ttyS0 panic=-1 kubeiso.probe",
    ]  # fmt: skip
