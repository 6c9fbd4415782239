"""The ISO as a disk: both firmwares come to running services; LinuxKit's commands, supervision and shutdown work there."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_helpers import Running, boot, typing_at, variant

from builder.cluster.lifecycle import ClusterPlan
from builder.deadline import Deadline, poll
from builder.errors import CheckError
from builder.machine.machine import Machine
from builder.machine.model import Attachment, Firmware, MachineSpec
from builder.media.inspection import KERNEL
from builder.run import run

pytestmark = pytest.mark.boot


@pytest.fixture(scope="module")
def node(base_plan: ClusterPlan) -> Iterator[Running]:
    yield from boot(variant(base_plan, "t-bios-disk", Firmware.BIOS, Attachment.DISK))


def sh(node: Running, command: str) -> str:
    """Runs a command on the node; it must succeed."""
    _, machine, scale = node
    ended = machine.shell().run(command, Deadline.after(30, scale=scale))
    assert ended.code == 0, f"{command}: {ended.output}"
    return ended.output.strip()


def test_services_run_in_linuxkits_namespace(node: Running) -> None:
    listed = sh(node, "ctr -n services.linuxkit tasks ls")
    running = {line.split()[0] for line in listed.splitlines() if line.split()[-1:] == ["RUNNING"]}
    assert {"dhcpcd", "getty", "kubelet"} <= running


def test_no_two_files_of_the_root_have_one_number(node: Running) -> None:
    """Else whatever tells files apart by it, as the dynamic loader does, takes one for the other."""
    numbers = "find /proc/1/root/ -xdev -type f -exec stat -c '%h %i' {} + | awk '$1 == 1 {print $2}'"
    assert int(sh(node, f"{numbers} | wc -l")) > 1000
    assert sh(node, f"{numbers} | sort | uniq -d") == ""


def test_a_program_of_several_names_is_one_file(node: Running) -> None:
    """The page cache holds it once, whatever containers run it."""
    places = "find /proc/1/root/ -xdev -type f -path '*/usr/lib/kubernetes/kubernetes' -exec stat -c '%i %h' {} +"
    found = sh(node, places).splitlines()
    assert len(found) >= 2, "in the kubelet's container, and in the layer of the pods' images"
    assert {line.split()[1] for line in found} == {str(len(found))}, "its count of names"


def test_a_shell_in_the_kubelet_service_has_kubeadm(node: Running) -> None:
    version = sh(
        node,
        "ctr -n services.linuxkit tasks exec --exec-id by-hand kubelet sh -c 'kubeadm version -o short; which kubeadm-init.sh'",
    )
    assert version.splitlines() == ["v1.36.3", "/usr/bin/kubeadm-init.sh"]


def test_a_terminal_in_the_kubelet_service_by_hand(node: Running) -> None:
    """What the project of 2017 had its users type at the console's prompt."""
    with typing_at(node[1]) as keyboard:
        keyboard.send(b"\r")
        keyboard.expect(rb"\(ns: getty\) [-a-z0-9]+:~# ")
        keyboard.send(b"ctr -n services.linuxkit tasks exec -t --exec-id 1 kubelet sh\r")
        keyboard.expect(rb"kubelet sh\r+\n.*/ # ")
        keyboard.send(b"tty; kubeadm version -o short\r")
        keyboard.expect(rb"/dev/pts/\d+\r+\n")
        keyboard.expect(rb"v1\.36\.3\r+\n")
        keyboard.send(b"exit\r")
        keyboard.expect(rb"\(ns: getty\) [-a-z0-9]+:~# ")


LONG = [pytest.param(left, marks=pytest.mark.long) for left in (b"echo 'unfinished\r", b"sleep 1000\r", b"vi /tmp/x\r")]


@pytest.mark.parametrize("left", [b"\x13", b"half a line", *LONG])
def test_what_a_person_left_on_the_console_does_not_keep_us_out(node: Running, left: bytes) -> None:
    _, machine, scale = node
    with typing_at(machine) as keyboard:
        keyboard.send(b"\r")
        keyboard.expect(rb"\(ns: getty\) [-a-z0-9]+:~# ")
        keyboard.send(left)
        time.sleep(2)
    machine.console().login(Deadline.after(20, scale=scale))
    assert machine.console().run("hostname", Deadline.after(20, scale=scale)).output.strip() == node[0].nodes[0].name


def screen(node: Running, terminal: int) -> str:
    """What a virtual terminal of the node's screen shows, without its line ends (vcs(4))."""
    return sh(node, f"cat /dev/vcs{terminal}")


def pressed(node: Running, key: str, terminal: str) -> None:
    """Presses a key on the node's keyboard and awaits the terminal that is shown then."""
    _, machine, scale = node
    with machine.qmp() as qmp:
        qmp.monitor(f"sendkey {key}")
    poll(
        lambda: sh(node, "cat /sys/class/tty/tty0/active") == terminal, Deadline.after(20, scale=scale), what=terminal, interval=1
    )


def test_the_screen_says_what_the_node_is_and_how_to_get_in(node: Running) -> None:
    def repainted() -> bool:
        shown = screen(node, 1)
        return "scribbled" not in shown and "Ways in" in shown

    cluster, _, scale = node
    address = sh(node, "ip -o -4 addr show dev eth0 | awk '{print $4}'").splitlines()[0]
    shown = screen(node, 1)
    for text in (
        f"kubeiso  {cluster.nodes[0].name}",
        "Kubernetes v1.36.3",
        "ready, ",
        address,
        "kubeadm-init.sh",
        "Enter or Alt-F2",
    ):
        assert text in shown
    assert '"stage":"ready"' in screen(node, 3)
    sh(node, "echo '<0>scribbled over the page' >/dev/kmsg")
    poll(repainted, Deadline.after(20, scale=scale), what="the page without the kernel's words", interval=1)
    pressed(node, "ret", "tty2")
    poll(lambda: "(ns: getty)" in screen(node, 2), Deadline.after(20, scale=scale), what="the login", interval=1)
    pressed(node, "alt-f3", "tty3")
    pressed(node, "alt-f1", "tty1")


def test_kubeiso_s_own_line_and_the_console_are_two(node: Running) -> None:
    """What is asked over the one is not in the log of the other; many bytes lose nothing."""
    _, machine, scale = node
    asked = sh(node, "echo not-for-the-log; head -c 3000000 /dev/zero | tr '\\0' x | fold -w 100")
    assert len(asked) == len("not-for-the-log\n") + 3_000_000 + 29_999
    assert b"not-for-the-log" not in machine.spec.console_log.read_bytes()
    assert machine.console().run("tty 2>&1", Deadline.after(20, scale=scale)).output == "not a tty\n"


def test_timers_of_services_may_be_late_where_they_are_emulated(node: Running) -> None:
    emulated = node[0].acceleration.name == "tcg"
    assert sh(node, "cat /proc/self/timerslack_ns") == ("100000000" if emulated else "50000")


def test_programs_start_with_limits_that_all_can_bear(node: Running) -> None:
    """select(2) knows 1024 files; some programs close every one that they may have."""
    limits = [line.split() for line in sh(node, "cat /proc/self/limits").splitlines()]
    assert [words[3:5] for words in limits if words[:3] == ["Max", "open", "files"]] == [["1024", "1048576"]]
    assert [words[2:4] for words in limits if words[:2] == ["Max", "processes"]] == [["unlimited"] * 2]


def test_root_is_read_only_and_images_need_no_unpacking(node: Running) -> None:
    assert sh(node, "touch /hostroot/etc/x 2>&1 || true").endswith("Read-only file system")
    names = sh(node, "ctr -n k8s.io images ls -q")
    for image in ("registry.k8s.io/kube-apiserver:v1.36.3", "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0"):
        assert image in names.splitlines()


def test_other_pod_networks_can_bring_their_plugins_beside_ours(node: Running) -> None:
    """As Calico's and Cilium's pods do, by a hostPath that the kubelet has to see too."""
    kubelet = "ctr -n services.linuxkit tasks exec --exec-id plugins kubelet sh -c"
    sh(node, f"{kubelet} 'cp /usr/bin/busybox /opt/cni/bin/theirs'")
    assert {"bridge", "host-local", "theirs"} <= set(sh(node, f"{kubelet} 'ls /opt/cni/bin'").split())
    assert "theirs" in sh(node, "ls /var/lib/cni/bin")


def test_nothing_listens_but_on_loopback(node: Running) -> None:
    """Before kubeadm init nothing of the node can be reached from outside."""
    listening = [line.split()[3] for line in sh(node, "netstat -ltn").splitlines()[2:]]
    assert [address for address in listening if not address.startswith(("127.", "::1", "[::1]"))] == []


def test_a_killed_service_is_restarted(node: Running) -> None:
    _, machine, scale = node
    before = sh(node, "ctr -n services.linuxkit tasks ls | awk '$1 == \"kubelet\" { print $2 }'")
    sh(node, "ctr -n services.linuxkit tasks kill -s SIGKILL kubelet")

    def again() -> str | None:
        now = sh(node, 'ctr -n services.linuxkit tasks ls | awk \'$1 == "kubelet" && $3 == "RUNNING" { print $2 }\'')
        return now if now and now != before else None

    assert poll(again, Deadline.after(30, scale=scale), what="another kubelet", interval=2)
    stages = [(stage.name, stage.state) for stage in machine.console().stages if stage.stage == "service"]
    assert ("kubelet", "exited") in stages


def test_a_killed_containerd_is_restarted_and_services_live_on(node: Running) -> None:
    _, _, scale = node
    getty = sh(node, "ctr -n services.linuxkit tasks ls | awk '$1 == \"getty\" { print $2 }'")
    sh(node, "kill -KILL $(pidof containerd)")

    def answers() -> str | None:
        ended = node[1].shell().run("ctr -n services.linuxkit tasks ls", Deadline.after(20, scale=scale))
        return ended.output if ended.code == 0 and "getty" in ended.output else None

    listed = poll(answers, Deadline.after(60, scale=scale), what="containerd", interval=2)
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("getty")] == [getty]


def test_power_off_is_clean(node: Running) -> None:
    """Last in this file: the power button ends the machine by itself."""
    _, machine, scale = node
    assert machine.stop(grace=30 * scale).how == "powerdown"
    told = machine.spec.console_log.read_text(errors="replace")
    assert '"stage":"poweroff"' in told


def test_a_kernel_without_a_root_panics_and_says_so(base_plan: ClusterPlan, tmp_path: Path) -> None:
    """The kernel of the ISO, started without its initrd; on one processor, since more may end at a breakpoint (see `booted`)."""
    (medium,) = base_plan.media.values()
    run(["xorriso", "-osirrox", "on", "-indev", medium, "-extract", KERNEL, tmp_path / "kernel"])
    (tmp_path / "zeros.iso").write_bytes(b"\0" * (1 << 20))
    spec = MachineSpec(
        name="panics", directory=tmp_path / "m", medium=tmp_path / "zeros.iso", acceleration=base_plan.acceleration,
        memory=512, cpus=1, extra=("-kernel", str(tmp_path / "kernel"), "-append", "console=ttyS0"),
    )  # fmt: skip
    machine = Machine.start(spec, leashed=True)
    try:
        with pytest.raises(CheckError, match="Kernel panic - not syncing"):
            machine.console().wait_stage("medium", Deadline.after(600))
        assert b"Linux version" in machine.spec.console_log.read_bytes(), "the console is complete from the kernel's first line"
    finally:
        machine.stop(grace=0)


def test_uefi_from_a_disk_and_a_machine_that_dies(base_plan: ClusterPlan) -> None:
    """UEFI as a disk comes to running services; then QEMU is killed, and whoever waits hears of it at once."""
    for _, machine, _ in boot(variant(base_plan, "t-uefi-disk", Firmware.UEFI, Attachment.DISK)):
        assert machine.pid is not None
        os.kill(machine.pid, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(CheckError, match="QEMU"):
            machine.console().wait_stage("never", Deadline.after(600))
        assert time.monotonic() - began < 60
