"""The format uki: one program for UEFI with kernel, initrd and command line inside, signed where the user has a key.

(uapi-group.org/specifications/specs/unified_kernel_image.) Its initrd has the roots of the layers' hashes, so whoever signs the
program signs the whole node. On an ISO or a disk it stands where GRUB does otherwise, behind systemd's menu, and finds the layers
beside it; as a medium of its own it has the layers inside, too, and boots from any EFI partition, or over HTTP. Each entry of the
menu is a profile of the same program, with a command line of its own.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from builder import cpio
from builder.errors import InputError
from builder.media import pe
from builder.media.entries import ENTRIES
from builder.media.model import Maker, Prepared, SecureBoot
from builder.media.placing import placed, written
from builder.run import run
from builder.store import Store

ENGINE = ("--engine", "pkcs11")
WHERE = ".kubeiso"
"""The section for who looks at the program: the label, and where in the initrd the layers begin (0: they are not in it)."""
SYSTEMD = "systemd-boot"
"""The folder of pkg/ with systemd's stub and menu."""
# Where the menu looks for kernels and for what it is to do (systemd-boot(7), loader.conf(5)): a second for a key, as GRUB's.
KERNEL, SETTINGS = "EFI/Linux/kubeiso.efi", "loader/loader.conf"
MENU = "timeout 1\neditor no\nsecure-boot-enroll off\n"
# Where the engine and the token's module have their own settings: libp11's, p11-kit's, OpenSSL's and SoftHSM's.
TOKENS = ("PKCS11_MODULE_PATH", "P11_KIT_CONFIG", "OPENSSL_CONF", "OPENSSL_ENGINES", "SOFTHSM2_CONF")


def write(prepared: Prepared, store: Store, work: Path, target: Path) -> None:
    """The program with the layers inside."""
    layers = work / "layers.cpio"
    with layers.open("wb") as out:
        begin = out.write(cpio.padded(store.read(prepared.initrd)))
        cpio.write_files(out, {path: store.path(digest) for path, digest in prepared.beside.items()})
    with placed(target) as made:
        unify(prepared, store, work, layers, made, begin)
    layers.unlink()


def unify(prepared: Prepared, store: Store, work: Path, initrd: Path, target: Path, begin: int = 0) -> Path:
    """The program with this initrd, signed where there is a key. begin: where in the initrd the layers do, if they are in it."""
    parts = [
        (".osrel", written(work / "osrel", f"ID=kubeiso\nNAME=kubeiso\nPRETTY_NAME={prepared.label}\n")),
        (".cmdline", written(work / "cmdline", prepared.cmdline)),
        (".linux", store.path(prepared.kernel)),
        (".initrd", initrd),
        (WHERE, written(work / "where", f"{prepared.label} {begin}")),
        *_profiles(prepared, work),
    ]
    unsigned = work / "unsigned.efi" if prepared.secure else target
    pe.append(store.path(prepared.programs[prepared.platform.efi_stub]), parts, unsigned)
    if prepared.secure:
        sign(unsigned, prepared.secure, target)
        unsigned.unlink()
    return target


def _profiles(prepared: Prepared, work: Path) -> Iterator[tuple[str, Path]]:
    """One for each entry; what it has of its own stands behind it (the specification's "Multi-profile UKIs")."""
    for number, each in enumerate(ENTRIES):
        text = f"ID={each.name}\nTITLE={prepared.label}{each.title}\n"
        yield ".profile", written(work / f"profile-{number}", text)
        if each.more:
            yield ".cmdline", written(work / f"cmdline-{number}", f"{prepared.cmdline} {each.more}")


def sign(program: Path, keys: SecureBoot, target: Path) -> None:
    """Writes the program with a signature. Raises InputError for a key that sbsign can't use."""
    known = {name: os.environ[name] for name in TOKENS if name in os.environ}
    done = run(sbsign_argv(program, keys, target), env=known, check=False, timeout=None)
    if done.code != 0 or not target.is_file():
        said = tuple((done.stderr or done.stdout).strip().splitlines()[-5:])
        what = f"the key {keys.key.partition('?')[0]} signs nothing"
        raise InputError(what, details=said, hint="see --secureboot-key and --secureboot-cert")


def sbsign_argv(program: Path, keys: SecureBoot, target: Path) -> Sequence[str]:
    engine = ENGINE if keys.on_token else ()
    return [
        "sbsign", *engine, "--key", keys.key, "--cert", os.fspath(keys.certificate), "--output", os.fspath(target),
        os.fspath(program),
    ]  # fmt: skip


def signing(maker: Maker) -> Maker:
    """The maker of a medium whose programs for UEFI are signed: a unified kernel, in whatever file it lies."""
    return replace(maker, tools=(*maker.tools, "sbsign"), folders=(SYSTEMD,))


MAKER = Maker("uki", write, folders=(SYSTEMD,), suffix="efi")
