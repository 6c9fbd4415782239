"""A certificate authority that is made before the cluster, so that a node can form one and others trust it without being asked.

What kubeadm takes for its own when it finds it in its folder of certificates (Kubernetes' documentation, "PKI certificates and
requirements"): an ECDSA key on P-256, as the nodes' own keys are.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = 10
"""For which the authority is good, as kubeadm's own; the administrator's certificate for one."""

_EARLIER = timedelta(hours=1)  # the nodes' clocks may be behind


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


def new_authority() -> Pair:
    """The cluster's authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("kubernetes")
    uses = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=True,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    built = _certificate(name, name, key.public_key(), YEARS)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    built = built.add_extension(uses, critical=True).add_extension(identifier, critical=False)
    return _pair(built.sign(key, hashes.SHA256()), key)


def administrator(authority: Pair) -> Pair:
    """A client certificate of the group system:masters, whose rights need no object in the cluster."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signing = _private_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    built = _certificate(_name("kubernetes-admin", "system:masters"), issuer.subject, key.public_key(), 1)
    built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return _pair(built.sign(signing, hashes.SHA256()), key)


def admin_config(authority: Pair) -> bytes:
    """A kubeconfig of the administrator as kubeadm writes its admin.conf; its server has to be filled in."""
    user = administrator(authority)
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "kubeiso", "cluster": {"certificate-authority-data": _base64(authority.certificate), "server": ""}}
        ],
        "users": [
            {
                "name": "kubernetes-admin",
                "user": {"client-certificate-data": _base64(user.certificate), "client-key-data": _base64(user.key)},
            }
        ],
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, years: int) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) - _EARLIER
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    built = built.serial_number(x509.random_serial_number())
    return built.not_valid_before(begin).not_valid_after(begin + timedelta(days=365 * years))


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), private)


def _private_key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
