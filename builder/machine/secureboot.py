"""Firmware's variables of a virtual machine that starts only what is signed."""

import sys
import uuid
from pathlib import Path

from builder.errors import InputError
from builder.run import run

# What `kubeiso keys create` makes, by the variable that it belongs in.
SIGNER = "db.key"
"""The key that signs programs."""
CERTIFICATES = {"--set-pk": "PK.crt", "--add-kek": "KEK.crt", "--add-db": "db.crt"}
OWNER = str(uuid.uuid5(uuid.NAMESPACE_OID, "kubeiso"))  # whose the certificates are, for who looks at the variables


def demand_keys(folder: Path) -> None:
    """Raises InputError for a folder that lacks a certificate."""
    if missing := [name for name in CERTIFICATES.values() if not (folder / name).is_file()]:
        raise InputError(f"{folder} has no {', '.join(missing)}", hint=f"kubeiso keys create {folder} makes a folder with all")


def enroll(empty: Path, keys: Path, target: Path) -> None:
    """Writes the variables with the keys' certificates, theirs alone, and Secure Boot on."""
    demand_keys(keys)
    words = [word for option, name in CERTIFICATES.items() for word in (option, OWNER, str(keys / name))]
    run([sys.executable, "-m", "virt.firmware.vars", "-i", empty, *words, "--sb", "-o", target])
