"""The format uki: one program for UEFI with kernel, initrd and command line inside, signed where the user has a key.

(uapi-group.org/specifications/specs/unified_kernel_image.) Its initrd has the roots of the layers' hashes, so whoever signs the
program signs the whole node. On an ISO or a disk it stands where GRUB does otherwise, and finds the layers beside it; as a medium
of its own it has the layers inside, too, and boots from any EFI partition, or over HTTP.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from builder import cpio
from builder.architecture import Platform
from builder.errors import InputError, ToolMissing
from builder.media import pe
from builder.media.model import Maker, Prepared, SecureBoot
from builder.media.placing import placed, written
from builder.run import run
from builder.store import Store, file_digest

STUBS = Path("/usr/lib/systemd/boot/efi")
MAGIC = re.compile(rb"systemd-stub \S+")
ENGINE = ("--engine", "pkcs11")
WHERE = ".kubeiso"
"""The section for who looks at the program: the label, and where in the initrd the layers begin (0: they are not in it)."""
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
    ]
    unsigned = work / "unsigned.efi" if prepared.secure else target
    pe.append(stub(prepared.platform), parts, unsigned)
    if prepared.secure:
        sign(unsigned, prepared.secure, target)
        unsigned.unlink()
    return target


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


def stub(platform: Platform) -> Path:
    """systemd's, of the host's package."""
    return STUBS / platform.efi_stub


def check_installed(platform: Platform) -> None:
    """Raises ToolMissing without systemd's stub."""
    if not stub(platform).is_file():
        what = f"systemd's EFI stub {stub(platform)} is not installed"
        raise ToolMissing(what, hint="apt-get install systemd-boot-efi   (or: make setup)")


def stub_version(platform: Platform) -> str:
    """As the stub tells it itself: "#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####" (systemd's src/boot)."""
    check_installed(platform)
    found = MAGIC.search(stub(platform).read_bytes())
    return found[0].decode() if found else f"systemd-stub {file_digest(stub(platform))}"


def signing(maker: Maker) -> Maker:
    """The maker of a medium whose program for UEFI is signed: a unified kernel, in whatever file it lies."""
    return replace(
        maker, tools=(*maker.tools, "sbsign"), carried={**maker.carried, **MAKER.carried}, told={**maker.told, **MAKER.told},
        check=partial(_all, (maker.check, check_installed)),
    )  # fmt: skip


def _all(checks: Sequence[Callable[[Platform], None]], platform: Platform) -> None:
    for check in checks:
        check(platform)


STUB_NAME = "systemd-stub"
MAKER = Maker(
    "uki", write, carried={STUB_NAME: STUB_NAME}, told={STUB_NAME: stub_version}, check=check_installed, suffix="efi",
)  # fmt: skip
