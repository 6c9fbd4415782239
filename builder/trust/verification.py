"""Is a medium what its maker made? Looked at by what lies on it and beside it, with nothing else at hand."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builder.media import pe
from builder.media.volume import Volume, chunks, opened, settings_of, uefi_programs
from builder.run import run
from builder.store import file_digest
from builder.trust import signing

BESIDE = (".spdx.json", ".cdx.json", ".slsa.json")


class Verdict(StrEnum):
    """unknown: it can't be said with what was given."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    name: str
    verdict: Verdict
    text: str


def verify(medium: Path, key: str | None, certificate: Path | None) -> list[Finding]:
    """key: a public key of minisign or a file with one. certificate: of the key that signed what UEFI starts (PEM).

    With a key what is not signed by it fails; without it a signature proves nothing. Raises InputError for what is no medium of
    kubeiso's, and for a key that is none.
    """
    with opened(medium) as volume:
        found = [*_inside(volume), *_started(volume, certificate)]
    digest = file_digest(medium)
    return [*found, _signature(medium, key, f"{medium.name} {digest}"), _checksum(medium, digest), *_told(medium, digest, key)]


def _inside(volume: Volume) -> Iterator[Finding]:
    """The layers, by the digests that the initrd has of them."""
    settings = settings_of(volume)
    names, digests = list(_words(settings, "layers")), list(_words(settings, "digests"))
    damaged = [name for name, digest in zip(names, digests, strict=True) if _digest(volume, f"/{name}") != digest]
    if not names:
        yield Finding("layers", Verdict.FAILED, "the initrd knows of none")
    elif damaged:
        yield Finding("layers", Verdict.FAILED, f"changed since they were made, or missing: {', '.join(damaged)}")
    else:
        yield Finding("layers", Verdict.OK, f"{len(names)} of {len(names)} are what the initrd has the digests of")


def _words(settings: dict[str, object], name: str) -> list[str]:
    found = settings.get(name, [])
    return [str(each) for each in found] if isinstance(found, list) else []


def _digest(volume: Volume, path: str) -> str:
    if path not in volume.places:
        return ""
    digest = hashlib.sha256()
    for chunk in chunks(volume.file, volume.places[path]):
        digest.update(chunk)
    return digest.hexdigest()


def _started(volume: Volume, certificate: Path | None) -> Iterator[Finding]:
    """What UEFI starts: who signed it, and whether it is the kernel and the initrd that were looked at."""
    name = "secure boot"
    with TemporaryDirectory(prefix="kubeiso-") as work:
        programs = uefi_programs(volume, Path(work))
        listed = [run(["sbverify", "--list", program], check=False).stdout for program in programs]
        if not programs or not all("signature 1" in each for each in listed):
            verdict = Verdict.FAILED if certificate else Verdict.UNKNOWN
            yield Finding(name, verdict, "what UEFI starts from it is not signed")
            return
        if volume.format != "uki" and not _same_inside(programs[-1], volume):
            yield Finding(name, Verdict.FAILED, "the signed program has another kernel or initrd than the medium")
            return
        signers = ", ".join(sorted({line.strip(" -") for each in listed for line in each.splitlines() if "subject:" in line}))
        if certificate is None:
            yield Finding(name, Verdict.UNKNOWN, f"signed, {signers}; --secureboot-cert says by whom it has to be")
        elif all(run(["sbverify", "--cert", certificate, program], check=False).code == 0 for program in programs):
            yield Finding(name, Verdict.OK, f"signed by the key of {certificate}")
        else:
            yield Finding(name, Verdict.FAILED, f"signed, {signers}, which is not {certificate}")


def _same_inside(program: Path, volume: Volume) -> bool:
    """BIOS starts the files, UEFI the program: both are the same kernel and initrd."""
    parts = pe.sections(program)
    if ".linux" not in parts:
        return False
    with program.open("rb") as content:
        for section, path in ((".linux", "/boot/kernel"), (".initrd", "/boot/initrd.img")):
            content.seek(parts[section].at)
            if content.read(parts[section].size) != volume.read(path):
                return False
    return True


def _signature(file: Path, key: str | None, wanted: str) -> Finding:
    """A signature over another file is none over this one: its comment, which is signed, has the digest."""
    name, signature = f"signature of {file.name}", file.with_name(file.name + signing.SUFFIX)
    if not signature.is_file():
        return Finding(name, Verdict.FAILED if key else Verdict.UNKNOWN, f"there is no {signature.name} beside it")
    if key is None:
        return Finding(name, Verdict.UNKNOWN, f"{signature.name} is there; --key says by whom it has to be")
    said = signing.verified(file, key)
    if not said:
        return Finding(name, Verdict.FAILED, f"{signature.name} is not by this key, or not over this file")
    if said.rpartition(" ")[2] != wanted.rpartition(" ")[2]:
        return Finding(name, Verdict.FAILED, f"it is by this key, but says of the file: {said}")
    return Finding(name, Verdict.OK, f"by this key: {said}")


def _checksum(medium: Path, digest: str) -> Finding:
    beside = medium.with_name(f"{medium.name}.sha256")
    if not beside.is_file():
        return Finding("checksum", Verdict.UNKNOWN, f"there is no {beside.name} beside it")
    said = beside.read_text(errors="replace").split()[:1]
    fits = said == [digest.removeprefix("sha256:")]
    return Finding(
        "checksum", Verdict.OK if fits else Verdict.FAILED, f"{beside.name} {'fits' if fits else 'is of another file'}"
    )


def _told(medium: Path, digest: str, key: str | None) -> Iterator[Finding]:
    """What lies beside it and tells of it."""
    for end in BESIDE:
        beside = medium.with_name(medium.name + end)
        if not beside.is_file():
            continue
        fits = _mentions(beside, READERS[end], digest.removeprefix("sha256:"))
        yield Finding(beside.name, Verdict.OK if fits else Verdict.FAILED, "is of this file" if fits else "is of another file")
        if key:
            yield _signature(beside, key, f"{beside.name} {file_digest(beside)}")


def _mentions(beside: Path, digests: Callable[[Any], list[str]], digest: str) -> bool:
    try:
        return digest in digests(json.loads(beside.read_bytes()))
    except (ValueError, LookupError, TypeError, AttributeError):  # whatever else such a file may be
        return False


def _of_spdx(document: Any) -> list[str]:
    """What the document describes."""
    about = {each["relatedSpdxElement"] for each in document["relationships"] if each["relationshipType"] == "DESCRIBES"}
    whole = [package for package in document["packages"] if package["SPDXID"] in about]
    return [checksum["checksumValue"] for package in whole for checksum in package.get("checksums", [])]


def _of_cyclonedx(document: Any) -> list[str]:
    return [each["content"] for each in document["metadata"]["component"]["hashes"]]


def _of_slsa(document: Any) -> list[str]:
    return [subject["digest"]["sha256"] for subject in document["subject"]]


READERS: dict[str, Callable[[Any], list[str]]] = dict(zip(BESIDE, (_of_spdx, _of_cyclonedx, _of_slsa), strict=True))
