"""Where this machine gets things from: Debian packages from what the user sets, otherwise from what the host's own apt uses;
upstreams' releases from their own hosts, or from the user's mirror of those."""

import os
import platform
import re
from functools import cache
from pathlib import Path

from builder.errors import InputError, ToolMissing
from builder.run import run

RELEASE_MIRROR = "KUBEISO_RELEASE_MIRROR"
VARIABLES = {"main": "KUBEISO_DEBIAN_MIRROR", "security": "KUBEISO_DEBIAN_SECURITY_MIRROR"}
# One line of `apt-get --print-uris update`: 'URI/dists/SUITE/InRelease' FILE SIZE.
RELEASE = re.compile(r"'(?P<uri>.+)/dists/(?P<suite>\S+?)/(?:In)?Release'")


def archive(name: str) -> str:
    """The address of Debian's archive "main" or "security", without a slash at its end.

    Raises InputError, with the variable to set, where neither the environment nor the host's apt has an HTTP(S) address.
    """
    variable = VARIABLES[name]
    address = os.environ.get(variable) or _of_host().get(name, "")
    if not address.startswith(("http://", "https://")):
        why = f"{address} is not an HTTP(S) address" if address else "this host's apt names none"
        raise InputError(f"no mirror of Debian's {name} archive is known", why=why, hint=f"set {variable} to an HTTP(S) mirror")
    return address.rstrip("/")


def release(url: str) -> str:
    """The address to ask for a file of an upstream's release.

    With a mirror set, each upstream's host is a folder there: https://HOST/PATH becomes MIRROR/HOST/PATH. Raises InputError for a
    mirror that is no HTTP(S) address.
    """
    mirror = os.environ.get(RELEASE_MIRROR, "").rstrip("/")
    if not mirror:
        return url
    if not mirror.startswith(("http://", "https://")):
        raise InputError(f"{RELEASE_MIRROR}={mirror} is not an HTTP(S) address", hint="such as http://mirror.example/releases")
    return f"{mirror}/{url.partition('://')[2]}"


@cache
def _of_host() -> dict[str, str]:
    """The archives that the apt of a Debian host uses; nothing on any other host."""
    try:
        release = platform.freedesktop_os_release()
        listed = run(["apt-get", "--print-uris", "update"], check=False).stdout if release.get("ID") == "debian" else ""
    except (OSError, ToolMissing):
        return {}
    return from_listing(listed, release.get("VERSION_CODENAME", ""))


def from_listing(listed: str, codename: str) -> dict[str, str]:
    """The two archives in what `apt-get --print-uris update` writes.

    The main one is known by its suite CODENAME-updates, which foreign archives for Debian do not have.
    """
    suites = {match["suite"]: _address(match["uri"]) for match in reversed(list(RELEASE.finditer(listed)))}
    names = [name for name in (codename, "stable", "testing", "unstable", "sid") if name]
    main = [f"{name}-updates" for name in names] + names
    security = [f"{name}-security" for name in names] + [f"{name}/updates" for name in names]
    found = {"main": _first(suites, main), "security": _first(suites, security)}
    return {name: address for name, address in found.items() if address}


def _first(suites: dict[str, str], wanted: list[str]) -> str:
    return next((suites[suite] for suite in wanted if suite in suites), "")


def _address(uri: str) -> str:
    """The address itself; for a list of mirrors in a file, as cloud images have it, the first in the file."""
    if not uri.startswith("mirror+file:"):
        return uri
    try:
        lines = Path("/" + uri.removeprefix("mirror+file:").lstrip("/")).read_text().splitlines()
    except OSError:
        return uri
    return next((line.split()[0].rstrip("/") for line in lines if line.startswith(("http://", "https://"))), uri)
