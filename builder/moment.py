"""The time that a medium says it was made at: not that of a clock, so that the same build gives the same bits."""

import os
import time
from datetime import UTC, datetime

from builder.errors import InputError
from builder.tarball import EPOCH

VARIABLE = "SOURCE_DATE_EPOCH"
FIRST, LAST = 315532800, 4102444799  # what FAT can tell begins in 1980; ISO 9660's short form ends before 2156, FAT's in 2107


def moment() -> int:
    """Seconds since 1970: LinuxKit's default, or SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch).

    What lies in the layers keeps LinuxKit's time whatever this says. Raises InputError for what is no time of a medium.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        return EPOCH
    if not given.isascii() or not given.isdigit() or not FIRST <= int(given) <= LAST:
        raise InputError(f"{VARIABLE} is {given!r}", hint=f"seconds since 1970, from {FIRST} to {LAST}; or leave it unset")
    return int(given)


def environment() -> dict[str, str]:
    """For programs that write it into a medium."""
    return {VARIABLE: str(moment())}


def date() -> datetime:
    return datetime.fromtimestamp(moment(), UTC)


def digits() -> str:
    """As ISO 9660 has it, down to hundredths of a second (ECMA-119, 8.4.26.1)."""
    return time.strftime("%Y%m%d%H%M%S00", time.gmtime(moment()))
