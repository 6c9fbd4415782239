"""Signatures over files: minisign's (jedisct1.github.io/minisign), which needs nothing but a public key of one line to check."""

import re
from collections.abc import Sequence
from pathlib import Path

from builder.errors import InputError
from builder.run import Completed, run
from builder.store import file_digest

SUFFIX = ".minisig"
SECRET, PUBLIC = "sign.key", "sign.pub"
PUBLIC_KEY = re.compile(r"RW[A-Za-z0-9+/]{54}")
PASSWORD = "KUBEISO_SIGN_PASSWORD"


def create(folder: Path) -> None:
    """Makes a key pair without a password in a folder: what signs in an automatic build has nobody who types one."""
    run(["minisign", "-G", "-W", "-p", folder / PUBLIC, "-s", folder / SECRET])
    (folder / SECRET).chmod(0o600)


def demand_key(key: Path) -> None:
    """Raises InputError for what is no secret key."""
    try:
        first = key.read_text(errors="replace").partition("\n")[0]
    except OSError as error:
        raise InputError(f"the key {key} can't be read", why=error.strerror or str(error), hint="kubeiso keys create") from error
    if not first.startswith("untrusted comment:") or "public key" in first:
        raise InputError(f"{key} is no secret key of minisign", hint=f"kubeiso keys create makes one, {SECRET}")


def sign(files: Sequence[Path], key: Path, password: str = "") -> None:
    """Writes FILE.minisig beside each file; what it says of the file (its digest) is signed too. Raises InputError."""
    for file in files:
        comment = f"{file.name} {file_digest(file)}"
        done = run(["minisign", "-S", "-s", key, "-m", file, "-t", comment], input=f"{password}\n", check=False, timeout=None)
        if done.code != 0:
            raise InputError(f"the key {key} signs nothing", details=_said(done), hint=f"its password goes into {PASSWORD}")


def verified(file: Path, key: str) -> str:
    """What the signature beside a file says of it, which is signed, too; "" where key and signature do not fit the file.

    key: a public key, or the path of a file with one. Raises InputError for what is neither.
    """
    which = ["-P", key] if PUBLIC_KEY.fullmatch(key) else ["-p", str(_public(Path(key)))]
    done = run(["minisign", "-V", *which, "-m", file], check=False, timeout=None)
    found = re.search(r"^Trusted comment: (.*)$", done.stdout, re.MULTILINE)
    return found[1] if done.code == 0 and found else ""


def _public(path: Path) -> Path:
    lines = path.read_text(errors="replace").split() if path.is_file() else []
    if not any(PUBLIC_KEY.fullmatch(word) for word in lines):
        raise InputError(f"{path} is no public key of minisign", hint=f"a file such as {PUBLIC}, or its second line")
    return path


def _said(done: Completed) -> tuple[str, ...]:
    return tuple((done.stderr or done.stdout).strip().splitlines()[-3:])
