"""Keys for UEFI's Secure Boot: platform key, key exchange key, and the one that signs programs (UEFI 2.10, 32.3)."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from builder.aside import write_aside
from builder.errors import InputError
from builder.run import run
from builder.trust import signing
from builder.workplace import sweep, workdir

# Each variable of the firmware, and the key that its changes are signed with: the platform key signs itself.
VARIABLES = {"PK": "PK", "KEK": "PK", "db": "KEK"}
OWNER = "owner.guid"
ATTRIBUTES = "NON_VOLATILE,BOOTSERVICE_ACCESS,RUNTIME_ACCESS"
RSA_BITS = 2048  # what every firmware takes (UEFI 2.10, 32.4.1: EFI_CERT_X509 and RSA2048 with SHA-256)
ASIDE = ".kubeiso-keys-"
READ_ME = """\
sign.key, sign.pub    sign files, and check them: kubeiso build --sign-key sign.key, kubeiso verify FILE --key sign.pub
db.key, db.crt        sign what UEFI starts: kubeiso build --secureboot-key db.key
PK.cer KEK.cer db.cer the certificates, as most firmwares' own menus read them from a stick (FAT): db first, PK last
PK.auth KEK.auth db.auth
                      the same as signed updates of the variables: for firmware that is in setup mode, db first, PK last, by its
                      menus, by KeyTool, or by efi-updatevar -f FILE NAME
PK.esl KEK.esl db.esl the same as plain lists, to put others (such as Microsoft's, for option ROMs) before or behind them
owner.guid            the owner that these lists name
The keys (*.key) belong in a safe place: who has them can make what these machines start.
"""


def create(folder: Path, name: str, days: int) -> tuple[Path, ...]:
    """Makes the three key pairs with what firmware takes, and one that signs files, in a folder that is not there yet.

    It appears whole. name: what the certificates' subjects begin with. days: how long they are valid. Raises InputError for a
    folder that is there, ToolMissing without sbsigntool and minisign.
    """
    if folder.exists():
        raise InputError(f"{folder} is there already", why="keys are never replaced", hint="take another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, ASIDE)
    with workdir(folder.parent, ASIDE) as made:
        place = made / folder.name
        place.mkdir(mode=0o700)
        owner = str(uuid.uuid4())
        write_aside(place / OWNER, owner + "\n")
        write_aside(place / "README", READ_ME)
        for variable in VARIABLES:
            _pair(place, variable, f"{name} {variable}", days)
            _list(place, variable, owner)
        signing.create(place)
        for variable, signer in VARIABLES.items():
            _update(place, variable, signer)
        place.rename(folder)
    return tuple(sorted(folder.iterdir()))


def _pair(place: Path, variable: str, subject: str, days: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_aside(place / f"{variable}.key", private, 0o600)
    write_aside(place / f"{variable}.crt", made.public_bytes(Encoding.PEM))
    write_aside(place / f"{variable}.cer", made.public_bytes(Encoding.DER))


def _list(place: Path, variable: str, owner: str) -> None:
    """An EFI_SIGNATURE_LIST with the certificate."""
    run(["sbsiglist", "--owner", owner, "--type", "x509", "--output", place / f"{variable}.esl", place / f"{variable}.cer"])


def _update(place: Path, variable: str, signer: str) -> None:
    """The list as an update of the variable (EFI_VARIABLE_AUTHENTICATION_2), signed."""
    key, certificate = place / f"{signer}.key", place / f"{signer}.crt"
    target = ["--output", str(place / f"{variable}.auth"), variable, str(place / f"{variable}.esl")]
    run(["sbvarsign", "--attr", ATTRIBUTES, "--key", key, "--cert", certificate, *target])
