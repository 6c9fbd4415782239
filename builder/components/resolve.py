"""components.lock anew: the host's apt resolves sets of packages for another suite, in directories of its own.

apt verifies the archive's signature and finds the dependencies. It is told that the packages an image does without are
there already, so neither they nor what only they need are in the result.
"""

import getpass
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.architecture import AMD64, Platform
from builder.components.mirrors import archive
from builder.components.model import DebianPackage, Lock
from builder.errors import BuildError, InputError, ToolMissing
from builder.progress import step
from builder.run import run
from builder.store import Digest, Store

Sets = Mapping[str, tuple[Sequence[str], Sequence[str]]]
"""Image -> (its packages, the packages that it does without)."""

Records = Mapping[str, Mapping[str, str]]
"""Package -> its fields in the archive's index."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Only of use to a system that installs packages, or to their maintainer scripts, which never run for an image.
# A set that names one of these itself gets it.
NEVER = (
    "adduser", "apt", "base-files", "base-passwd", "bsdutils", "cdebconf", "coreutils", "dash", "debconf", "debianutils",
    "dmsetup", "dpkg", "dracut", "gawk", "init-system-helpers", "initramfs-tools", "install-info", "libcap2-bin",
    "linux-base", "login", "login.defs", "logrotate", "logsave", "lsb-base", "mailcap", "mawk",
    "media-types", "openssl", "openssl-provider-legacy", "passwd", "perl", "perl-base", "perl-modules-5.40",
    "procps", "python3", "readline-common",
    "runit-helper", "sensible-utils", "systemd", "sysvinit-utils", "tzdata", "ucf", "udev", "usr-is-merged", "usrmerge",
)  # fmt: skip

# One line of `apt-get install --print-uris`: 'URI' FILE SIZE [HASH].
URI = re.compile(r"^'(?P<uri>[^']+)' \S+ \d+", re.MULTILINE)


@dataclass(frozen=True)
class Apt:
    """The host's apt on directories of its own; nothing of the host's configuration enters but proxies in the environment."""

    root: Path
    suite: str
    archives: Mapping[str, str]
    platform: Platform

    @classmethod
    def prepare(cls, root: Path, suite: str, platform: Platform) -> "Apt":
        """Lays the directories out and fetches the suite's package lists (about 10 MB)."""
        if not KEYRING.is_file():
            raise ToolMissing("Debian's archive keys are not installed", hint="apt-get install debian-archive-keyring")
        apt = cls(root, suite, {name: archive(name) for name in ("main", "security")}, platform)
        for name in ("lists/partial", "archives/partial", "log"):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        (root / "apt.conf").write_text(apt._configuration())
        (root / "sources.list").write_text(apt._sources())
        with step(f"fetch the package lists of {suite}"):
            apt.get("update", "-o", "APT::Update::Error-Mode=any")
        return apt

    def _configuration(self) -> str:
        settings = {
            "Dir::Etc::Main": "/dev/null", "Dir::Etc::Parts": "/dev/null", "Dir::Etc::SourceList": self.root / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null", "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::Etc::Trusted": "/dev/null", "Dir::Etc::TrustedParts": "/dev/null", "Dir::State": self.root,
            "Dir::State::Status": self.root / "status", "Dir::State::Lists": self.root / "lists", "Dir::Cache": self.root,
            "Dir::Log": self.root / "log", "APT::Architecture": self.platform.debian, "APT::Architectures": self.platform.debian,
            "APT::Sandbox::User": getpass.getuser(), "APT::Install-Recommends": "false", "APT::Get::Assume-Yes": "true",
            "APT::Get::Upgrade-By-Source-Package": "false",  # else it would renew what is said to be present
            "Acquire::Languages": "none", "Acquire::Retries": "3",
        }  # fmt: skip
        return "".join(f'{name} "{value}";\n' for name, value in settings.items())

    def _sources(self) -> str:
        main, security = self.archives["main"], self.archives["security"]
        places = ((main, self.suite), (main, f"{self.suite}-updates"), (security, f"{self.suite}-security"))
        return "".join(f"deb [signed-by={KEYRING}] {address} {suite} main non-free-firmware\n" for address, suite in places)

    def get(self, *arguments: str) -> str:
        return run(["apt-get", "-q", *arguments], env={"APT_CONFIG": str(self.root / "apt.conf")}, timeout=None).stdout

    def show(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The fields of each package's newest version; names that the suite does not have are left out."""
        command = ["apt-cache", "show", "--no-all-versions", *sorted(set(names))]
        text = run(command, env={"APT_CONFIG": str(self.root / "apt.conf")}, check=False).stdout
        stanzas = (_fields(stanza) for stanza in text.split("\n\n") if stanza.strip())
        return {fields["Package"]: fields for fields in stanzas}

    def resolve(self, packages: Iterable[str], present: Iterable[Mapping[str, str]]) -> list[str]:
        """The addresses of `packages` and of all that they need besides those that are `present` already."""
        (self.root / "status").write_text("\n".join(_installed(fields) for fields in present))
        return [
            urllib.parse.unquote(match["uri"]) for match in URI.finditer(self.get("install", "--print-uris", *sorted(packages)))
        ]

    def split(self, address: str) -> tuple[str, str]:
        """The archive's name and the path in it."""
        for name, base in self.archives.items():
            if address.startswith(f"{base}/"):
                return name, address.removeprefix(f"{base}/")
        raise BuildError(f"apt names {address}, which lies in neither of Debian's archives")


def update_lock(descriptions: Sets, suite: str, store: Store, platform: Platform = AMD64) -> Lock:
    """Resolves each set for the suite as it is today. `store` gives the room to work in; no package is fetched.

    Raises InputError for a set that can't be resolved and where no mirror is known, ToolMissing without apt or Debian's keys.
    """
    with store.workdir("apt") as root:
        apt = Apt.prepare(root, suite, platform)
        known = apt.show({*NEVER, *(name for both in descriptions.values() for names in both for name in names)})
        with step("resolve the sets of packages", total=len(descriptions), unit="sets") as work:
            addresses: dict[str, list[str]] = {}
            for image, (packages, without) in sorted(descriptions.items()):
                addresses[image] = _resolve(apt, image, packages, without, known)
                work.advance(1, image)
        records = apt.show(_package(address) for found in addresses.values() for address in found)
    pins = {_package(address): _pin(apt, address, records) for found in addresses.values() for address in found}
    sets = {image: tuple(sorted(map(_package, found))) for image, found in addresses.items()}
    return Lock(suite=suite, platform=platform.name, packages=dict(sorted(pins.items())), sets=sets)


def _resolve(apt: Apt, image: str, packages: Sequence[str], without: Sequence[str], known: Records) -> list[str]:
    both = sorted(set(packages) & set(without))
    if both:
        raise InputError(f"the image {image} both takes and does without {', '.join(both)}")
    unknown = sorted({*packages, *without} - set(known))
    if unknown:
        raise InputError(f"the image {image}: {apt.suite} has no package {', '.join(unknown)}")
    present = [known[name] for name in sorted({*NEVER, *without} - set(packages)) if name in known]
    try:
        return apt.resolve(packages, present) if packages else []
    except BuildError as error:
        raise InputError(f"the packages of {image} can't be had together from {apt.suite}", details=error.details) from error


def _package(address: str) -> str:
    """.../busybox-static_1.37.0-6_amd64.deb -> busybox-static"""
    return address.rsplit("/", 1)[-1].partition("_")[0]


def _pin(apt: Apt, address: str, records: Records) -> DebianPackage:
    fields = records[_package(address)]
    origin, path = apt.split(address)
    digest = Digest(f"sha256:{fields['SHA256']}")
    return DebianPackage(
        name=fields["Package"], version=fields["Version"], path=path, size=int(fields["Size"]), sha256=digest, archive=origin
    )


def _fields(stanza: str) -> dict[str, str]:
    """The single-line fields of a stanza (deb822)."""
    pairs = (line.split(":", 1) for line in stanza.splitlines() if ":" in line and not line.startswith((" ", "\t")))
    return {name: value.strip() for name, value in pairs}


def _installed(fields: Mapping[str, str]) -> str:
    """A stanza of dpkg's status file that says that the package is installed; it asks for nothing more."""
    kept = {name: fields[name] for name in ("Package", "Architecture", "Version", "Provides", "Multi-Arch") if name in fields}
    stanza = {**kept, "Status": "install ok installed", "Maintainer": "-", "Description": "-"}
    return "".join(f"{name}: {value}\n" for name, value in stanza.items())
