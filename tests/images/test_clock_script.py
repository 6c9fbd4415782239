"""The node's own clock.sh and dhcpcd's hook, with programs of the tests' in place of chrony and of what sets a clock."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLOCK = ROOT / "pkg/chrony/files/usr/bin/clock.sh"
HOOK = ROOT / "pkg/dhcpcd/files/usr/lib/dhcpcd/dhcpcd-hooks/90-ntp"
DEBIAN = "Linux version 6.12.48+deb13 (debian-kernel@lists.example.org) #1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)"
LINUXKIT = "Linux version 6.12.59-linuxkit (root@buildkitsandbox) (gcc) #1 SMP PREEMPT_DYNAMIC Thu Nov 27 08:50:55 UTC 2025"
# A clock in a file, by busybox' way of asking: GNU's date knows no -D, and reads the form without it.
DATE = """#!/bin/sh
clock={folder}/clock
case "$*" in
    +%s) cat $clock ;;
    "-u +%Y"*) exec "$DATE" -u "$2" -d "@$(cat $clock)" ;;
    "-u -D "*) shift 3; exec "$DATE" -u "$@" ;;
    "-u -s @"*) [ ! -e {folder}/refuses ] || exit 1; echo "${{3#@}}" >$clock ;;
    *) exec "$DATE" "$@" ;;
esac
"""
SERVER = "#!/bin/sh\n[ -e {folder}/server ] || exit 1\ncat {folder}/server >{folder}/new\nmv {folder}/new {folder}/clock\n"


class Node:
    """Its clock, in seconds since 1970, and the version of its kernel."""

    def __init__(self, folder: Path, clock: int, version: str = DEBIAN) -> None:
        self.folder = folder
        (folder / "clock").write_text(f"{clock}\n")
        (folder / "version").write_text(f"{version}\n")
        for name, text in (("date", DATE), ("chronyd", SERVER)):
            (folder / name).write_text(text.format(folder=folder))
            (folder / name).chmod(0o755)

    @property
    def clock(self) -> int:
        return int((self.folder / "clock").read_text())

    def start(self, code: int = 0) -> str:
        path = f"{self.folder}:{os.environ['PATH']}"
        environment = {
            "PATH": path,
            "PATIENCE": "60",
            "VERSION_FILE": str(self.folder / "version"),
            "DATE": shutil.which("date") or "",
        }
        done = subprocess.run(["sh", CLOCK], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout


KERNEL = {DEBIAN: 1758326400, LINUXKIT: 1764233455}


@pytest.mark.parametrize("version", KERNEL, ids=["Debian's", "LinuxKit's"])
def test_a_clock_that_can_be_right_is_left_alone(tmp_path: Path, version: str) -> None:
    node = Node(tmp_path, KERNEL[version], version)
    (tmp_path / "server").write_text("1\n")
    assert node.start().startswith("the clock says 2025-")
    assert node.clock == KERNEL[version]


@pytest.mark.parametrize("version", KERNEL, ids=["Debian's", "LinuxKit's"])
def test_a_clock_before_the_kernel_is_set_by_a_time_server(tmp_path: Path, version: str) -> None:
    node = Node(tmp_path, KERNEL[version] - 1, version)
    (tmp_path / "server").write_text("1800000000\n")
    assert "time servers set it to 2027-01-15 08:00:00 UTC" in node.start()
    assert node.clock == 1800000000


@pytest.mark.parametrize("server", [None, "1000000000\n"], ids=["no answer", "one that is as wrong"])
def test_else_it_starts_at_the_kernel_s_day_and_says_so(tmp_path: Path, server: str | None) -> None:
    node = Node(tmp_path, 1546300800)
    if server:
        (tmp_path / "server").write_text(server)
    said = node.start()
    assert "the clock said 2019-01-01 00:00:00 UTC, and no time server answered" in said or server
    assert "it starts at 2025-09-20 00:00:00 UTC" in said and "next: " in said
    assert node.clock == KERNEL[DEBIAN]


def test_a_clock_that_can_t_be_set_is_a_failure(tmp_path: Path) -> None:
    node = Node(tmp_path, 1546300800)
    (tmp_path / "refuses").touch()
    assert node.start(code=1) == ""


def test_a_kernel_that_does_not_say_its_day_is_no_reason_to_set_a_clock(tmp_path: Path) -> None:
    node = Node(tmp_path, 1546300800, "Linux version 6.12 #1 SMP")
    assert node.start() == "the clock says 2019-01-01 00:00:00 UTC\n"


def event(folder: Path, reason: str, servers: str = "") -> list[str]:
    """What chrony finds after an event of dhcpcd on eth0."""
    script = HOOK.read_text().replace("/run/ntp", str(folder))
    environment = {"PATH": os.environ["PATH"], "interface": "eth0", "reason": reason, "new_ntp_servers": servers}
    subprocess.run(["sh", "-euc", script], env=environment, check=True)
    return [line for path in sorted(folder.glob("*.sources")) for line in path.read_text().splitlines()]


def test_a_lease_s_servers_come_and_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "eth1.sources").write_text("server 10.9.9.9 iburst\n")
    other = ["server 10.9.9.9 iburst"]
    mine = ["server 10.0.0.1 iburst", "server 10.0.0.2 iburst"]
    assert event(tmp_path, "BOUND", "10.0.0.1 10.0.0.2") == [*mine, *other]
    assert event(tmp_path, "BOUND6") == [*mine, *other], "an address of the other family says nothing of it"
    assert event(tmp_path, "RENEW", "10.0.0.2") == [mine[1], *other]
    assert event(tmp_path, "EXPIRE") == other
    assert event(tmp_path, "REBOOT") == other
