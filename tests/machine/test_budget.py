"""What a host can carry: memory and cores."""

import os
from pathlib import Path

import pytest

from builder.errors import InputError
from builder.machine.budget import OVERHEAD, Group, Host, check, this_host
from builder.machine.model import Acceleration

KVM = Acceleration(name="kvm", reason="test")
TCG = Acceleration(name="tcg", reason="test")
NODE = OVERHEAD["tcg"]


def groups(masters: int, workers: int) -> list[Group]:
    return [Group(count=masters, memory=3072, least=2048), Group(count=workers, memory=1536, option="--worker-memory")]


def refusal(wanted: list[Group], host: Host, acceleration: Acceleration = TCG) -> InputError:
    with pytest.raises(InputError) as refused:
        check(wanted, acceleration, host)
    return refused.value


def test_what_fits_exactly_is_taken_and_one_mebibyte_less_is_not() -> None:
    exactly = 3072 + 2 * 1536 + 3 * NODE
    check(groups(1, 2), TCG, Host(memory=exactly, cores=2))
    refused = refusal(groups(1, 2), Host(memory=exactly - 1, cores=2))
    assert refused.what == f"3 machines want {exactly} MiB of memory, and {exactly - 1} MiB are available"
    assert refused.why == f"1 x 3072 and 2 x 1536 MiB, and {NODE} MiB for each QEMU"


def test_what_would_fit_does_fit() -> None:
    host = Host(memory=6300, cores=2)
    refused = refusal(groups(1, 2), host)
    assert refused.hint == "--nodes 2 or --memory 2432 --worker-memory 1152 fits"
    check(groups(1, 1), TCG, host)
    check([Group(count=1, memory=2432), Group(count=2, memory=1152)], TCG, host)


def test_masters_are_never_left_out() -> None:
    assert "--nodes" not in refusal(groups(3, 1), Host(memory=10000, cores=8)).hint
    assert refusal(groups(3, 2), Host(memory=12500, cores=8)).hint.startswith("--nodes 4 or ")


def test_where_nothing_fits_no_number_is_named() -> None:
    assert "more memory" in refusal(groups(1, 0), Host(memory=1000, cores=2)).hint


def test_emulated_machines_need_more_cores() -> None:
    host = Host(memory=1 << 20, cores=2)
    check(groups(3, 3), TCG, host)
    refused = refusal(groups(3, 4), host)
    assert refused.what == "7 machines are too many for 2 cores"
    assert refused.hint == "--nodes 6 fits"
    check(groups(3, 4), KVM, host)


def test_machines_that_run_already_have_their_part_of_the_cores() -> None:
    host = Host(memory=1 << 20, cores=2)
    check(groups(0, 2), TCG, host, running=4)
    with pytest.raises(InputError, match="7 machines are too many") as refused:
        check(groups(0, 3), TCG, host, running=4)
    assert refused.value.hint == "2 more fit"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemFree:  1000 kB\nMemAvailable:    8388608 kB\n")
    return tmp_path


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_this_host_without_limits(proc: Path, tmp_path: Path) -> None:
    mine = len(os.sched_getaffinity(0))
    assert this_host(proc, tmp_path / "none") == Host(memory=8192, cores=mine)
    unlimited = {"memory.max": "max\n", "memory.current": "1\n", "memory.stat": "inactive_file 0\n", "cpu.max": "max 100000\n"}
    assert this_host(proc, write(tmp_path / "v2", unlimited)) == Host(memory=8192, cores=mine)
    assert this_host().memory > 0


def test_this_host_in_a_control_group(proc: Path, tmp_path: Path) -> None:
    mebi = 1 << 20
    statistics = f"anon 5\n{{}}inactive_file {100 * mebi}\n"
    new = {"memory.max": f"{2000 * mebi}\n", "memory.current": f"{900 * mebi}\n", "memory.stat": statistics.format("")}
    assert this_host(proc, write(tmp_path / "v2", {**new, "cpu.max": "50000 100000\n"})) == Host(memory=1200, cores=0.5)
    old = {"limit_in_bytes": f"{2000 * mebi}\n", "usage_in_bytes": f"{900 * mebi}\n", "stat": statistics.format("total_")}
    directory = write(tmp_path / "v1", {f"memory/memory.{name}": text for name, text in old.items()})
    assert this_host(proc, directory).memory == 1200
