"""Whether this host can carry the machines that are asked for."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from builder.errors import InputError
from builder.frozen import Frozen
from builder.machine.model import Acceleration

OVERHEAD = {"kvm": 160, "tcg": 416}
"""MiB counted for QEMU besides its guest's memory: 140 were seen, and emulated part of the code that it keeps (model.CODE_CACHE).
It may fill all of that, but hardly with the guest's memory full as well: a master of 3072 MiB used 1600 after kubeadm init."""

PER_CORE = {"kvm": 8, "tcg": 3}
"""Machines for each core, by judgement. An idle node works all the time (etcd, probes, leases), an emulated one 5 to 8 times as
long for the same: of too many, none keeps its own deadlines."""

_STEP = 128
_CGROUP = Path("/sys/fs/cgroup")
# Limit and use of a control group's memory, and what of its use is cache that gives way: versions 2 and 1 (kernel, admin-guide).
_MEMORY = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


class Host(Frozen):
    """What a host has left: memory in MiB, and cores that this program may use."""

    memory: int
    cores: float


class Group(Frozen):
    """Machines of one size. `option` is the command line's word for their `memory`, which is no use below `least` (MiB)."""

    count: int
    memory: int
    option: str = "--memory"
    least: int = 1024


def this_host(proc: Path = Path("/proc"), cgroup: Path = _CGROUP) -> Host:
    """By MemAvailable (proc_meminfo(5)), the processors that this program may run on, and the limits of its control group."""
    lines = (proc / "meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    cores = float(len(os.sched_getaffinity(0)))
    return Host(memory=min([available, *_left(cgroup)]) >> 20, cores=min([cores, *_quota(cgroup)]))


def check(groups: Sequence[Group], acceleration: Acceleration, host: Host, running: int = 0) -> None:
    """Raises InputError where the host can't carry these machines: what they want, what is there, and what would fit.

    The first group is the one that a cluster can't do with less of: its masters. running: machines that share the cores with
    them; their memory is no longer in what the host has left.
    """
    count = sum(group.count for group in groups)
    most = max(1, int(host.cores * PER_CORE[acceleration.name]))
    if count + running > most:
        what = f"{count + running} machines are too many for {_number(host.cores)} cores"
        why = f"under {acceleration.name.upper()} a core carries {PER_CORE[acceleration.name]}"
        hint = f"{max(0, most - running)} more fit" if running else f"--nodes {most} fits"
        raise InputError(what, why=why, hint=hint)
    overhead = OVERHEAD[acceleration.name]
    wanted = sum(group.count * (group.memory + overhead) for group in groups)
    if wanted > host.memory:
        sizes = " and ".join(f"{group.count} x {group.memory}" for group in groups if group.count)
        what = f"{count} machines want {wanted} MiB of memory, and {host.memory} MiB are available"
        raise InputError(what, why=f"{sizes} MiB, and {overhead} MiB for each QEMU", hint=_what_fits(groups, overhead, host))


def _what_fits(groups: Sequence[Group], overhead: int, host: Host) -> str:
    """A smaller number of the same machines, the same number of smaller ones, or neither."""
    ways = []
    if nodes := _nodes_that_fit(groups, overhead, host.memory):
        ways.append(f"--nodes {nodes}")
    if memory := _memory_that_fits(groups, overhead, host.memory):
        ways.append(memory)
    return f"{' or '.join(ways)} fits" if ways else "end other programs, or take a host with more memory"


def _nodes_that_fit(groups: Sequence[Group], overhead: int, memory: int) -> int:
    """Machines in the order of the groups, as many as go in; 0 where the first group does not go in whole."""
    fit = 0
    for group in groups:
        room = min(group.count, memory // (group.memory + overhead))
        if room < group.count:
            return fit + room if fit else 0
        memory -= room * (group.memory + overhead)
        fit += room
    return fit


def _memory_that_fits(groups: Sequence[Group], overhead: int, memory: int) -> str:
    """All groups made smaller by the same part; empty where one would become too small."""
    present = [group for group in groups if group.count]
    left = memory - overhead * sum(group.count for group in present)
    part = left / sum(group.count * group.memory for group in present)
    sizes = [int(group.memory * part) // _STEP * _STEP for group in present]
    if any(size < group.least for size, group in zip(sizes, present, strict=True)):
        return ""
    return " ".join(f"{group.option} {size}" for size, group in zip(sizes, present, strict=True))


def _left(cgroup: Path) -> list[int]:
    """Bytes that the control group may still take; nothing where it has no limit."""
    found = []
    for limit, use, statistics, cache in _MEMORY:
        with suppress(FileNotFoundError, PermissionError, ValueError):  # ValueError: "max", which is no limit
            most = int((cgroup / limit).read_text())
            words = (cgroup / statistics).read_text().split()
            spare = int(words[words.index(cache) + 1])
            found.append(max(0, most - int((cgroup / use).read_text()) + spare))
    return found


def _quota(cgroup: Path) -> list[float]:
    """Cores' worth of time that the control group gets (version 2); nothing where it has no limit."""
    with suppress(FileNotFoundError, PermissionError, ValueError):
        quota, period = map(int, (cgroup / "cpu.max").read_text().split())
        return [quota / period]
    return []


def _number(value: float) -> str:
    return f"{value:g}"
