"""A node's own configuration as values that VMware keeps for a machine (cloud-init's documentation, "VMware": guestinfo)."""

import base64
import gzip
from collections.abc import Mapping
from pathlib import Path

import yaml

from builder.errors import InputError

SUFFIX = ".guestinfo"
"""How a file of such values is called: one NAME=VALUE a line, which govc vm.change -e takes."""
PREFIX = "guestinfo."
PLACES = {"meta-data": "metadata", "user-data": "userdata"}
NETWORK = "network-config"


def values(files: Mapping[str, bytes]) -> bytes:
    """The lines for NoCloud's files; a network-config goes into the metadata. Raises InputError for a file without a place."""
    if homeless := [name for name in files if name not in (*PLACES, NETWORK)]:
        raise InputError(
            f"guestinfo has no place for {', '.join(homeless)}", hint="make a volume of it: a name without .guestinfo"
        )
    placed = {name: data for name, data in files.items() if name in PLACES}
    if NETWORK in files:
        placed["meta-data"] = _with_network(files.get("meta-data", b""), files[NETWORK])
    lines = [
        f"{PREFIX}{PLACES[name]}{line}\n"
        for name, data in sorted(placed.items())
        for line in (f"={_packed(data)}", ".encoding=gzip+base64")
    ]
    return "".join(lines).encode()


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _with_network(meta: bytes, network: bytes) -> bytes:
    try:
        told = yaml.safe_load(meta) or {}
    except yaml.YAMLError as error:
        raise InputError("meta-data is no YAML", why=str(error).replace("\n", " ")) from None
    if not isinstance(told, dict):
        raise InputError("meta-data has no keys with values", hint="such as local-hostname: node1")
    joined = {**told, "network": _packed(network), "network.encoding": "gzip+base64"}
    return yaml.safe_dump(joined, sort_keys=False, width=1 << 30).encode()


def is_guestinfo(given: Path) -> bool:
    """Whether a file has such lines and nothing else."""
    lines = given.read_bytes().splitlines()
    return any(lines) and all(line.startswith(PREFIX.encode()) and b"=" in line for line in lines if line.strip())


def unpack(given: Path, folder: Path) -> None:
    """Writes each value into a file of its name, where the node's own program looks for them when it reads a folder."""
    for line in given.read_text().splitlines():
        name, _, value = line.strip().partition("=")
        if "/" in name:
            raise InputError(f"{given}: {name} is no name of guestinfo")
        if name:
            (folder / name).write_text(value)
