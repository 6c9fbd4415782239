"""What the user gives to sign programs for UEFI with, looked at before any work is done."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from builder.errors import InputError
from builder.media.model import SecureBoot

CERTIFICATE = "--secureboot-cert FILE says which it is"
PIN, PIN_FILE = "pin-value=", "...?pin-source=file:/path of a file that has the PIN (RFC 7512)"
KEYS = "kubeiso keys create makes keys"


def secure_boot(key: str, certificate: Path | None) -> SecureBoot:
    """key: a file (PEM, without a passphrase) or a PKCS#11 URI. certificate: a file (PEM); that beside the key, as `keys create`
    names it, where nobody says. Raises InputError for what does not fit together.
    """
    on_token = SecureBoot(key, Path()).on_token
    if certificate is None and on_token:
        raise InputError("the certificate of the key in the token is missing", hint=CERTIFICATE)
    if on_token and PIN in key:
        raise InputError("the key's URI has the PIN in it", why="who lists this machine's processes would read it", hint=PIN_FILE)
    beside = Path(key).with_suffix(".crt") if certificate is None else certificate
    made = _certificate(beside)
    if not on_token:
        _demand_pair(Path(key), beside, made)
    return SecureBoot(key if on_token else str(Path(key).absolute()), beside.absolute())


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise InputError(f"the certificate {path} can't be read", why=error.strerror or str(error), hint=CERTIFICATE) from error
    except ValueError as error:
        hint = f"openssl x509 -inform der -in {path} -out {path.stem}.crt, where it is in DER"
        raise InputError(f"{path} is no certificate in PEM", hint=hint) from error


def _demand_pair(key: Path, certificate: Path, made: x509.Certificate) -> None:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if _private(key).public_key().public_bytes(*form) != made.public_key().public_bytes(*form):
        raise InputError(f"the certificate {certificate} is not that of the key {key}", hint=CERTIFICATE)


def _private(key: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(key.read_bytes(), None)
    except OSError as error:
        raise InputError(f"the key {key} can't be read", why=error.strerror or str(error), hint=KEYS) from error
    except TypeError as error:
        hint = "put it into a token and give its pkcs11: URI, or a copy without the passphrase"
        raise InputError(f"the key {key} has a passphrase", hint=hint) from error
    except ValueError as error:
        raise InputError(f"{key} is no private key in PEM", hint=KEYS) from error
