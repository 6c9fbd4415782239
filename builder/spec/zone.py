"""The node's time zone: tzset(3) and tzfile(5)."""

from collections.abc import Iterator
from importlib.resources import files

from builder.spec.model import NodeFile


def zone_files(zone: str) -> Iterator[NodeFile]:
    """/etc/localtime as glibc has it, its name as Debian has it, and its rule for shells in containers without the database."""
    yield NodeFile(path="etc/localtime", symlink=f"/usr/share/zoneinfo/{zone}")
    yield NodeFile(path="etc/timezone", contents=f"{zone}\n")
    yield NodeFile(path="etc/TZ", contents=f"{rule(zone)}\n")


def rule(zone: str) -> str:
    """What POSIX has for TZ, such as CET-1CEST,M3.5.0,M10.5.0/3: the last line of a file of version 2 and later."""
    data = files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    return data.rstrip(b"\n").rpartition(b"\n")[2].decode()
