"""What no pattern can say of a recipe's texts: subnets, paths, public keys."""

import base64
import binascii
import ipaddress
import re
import struct
from zoneinfo import available_timezones

from builder.reading.shapes import Unfit
from builder.reading.words import did_you_mean, one_of, shown

# What OpenSSH's sshd takes today (sshd_config(5), PubkeyAcceptedAlgorithms; DSA is gone).
KEY_TYPES = (
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip

# A line of authorized_keys without its options: the type, base64 of the key, a comment (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
KEY_LINE = re.compile(r'^(?:(?:[^\s"]|"(?:\\.|[^"\\])*")+[ \t]+)??(?P<type>[a-z][\w@.-]*)[ \t]+(?P<key>AAAA\S*)(?:[ \t].*)?$')


# Ranges that no pod and no Service can have: RFC 6890 (Special-Purpose Address Registries), RFC 5771, and that of QEMU's user
# network, which each machine of `kubeiso up` has on its first card (QEMU's manual, "Using the user mode network stack").
TAKEN = {
    ipaddress.IPv4Network("0.0.0.0/8"): "this network's own addresses",
    ipaddress.IPv4Network("127.0.0.0/8"): "each host's own addresses",
    ipaddress.IPv4Network("169.254.0.0/16"): "for addresses of one link",
    ipaddress.IPv4Network("224.0.0.0/4"): "for multicast",
    ipaddress.IPv4Network("240.0.0.0/4"): "reserved",
    ipaddress.IPv4Network("10.0.2.0/24"): "the network by which QEMU gives a machine access",
}


def check_zone(text: str) -> None:
    """Raises Unfit unless the IANA's time zone database has that name."""
    known = available_timezones()
    if text not in known:
        raise Unfit(f"there is no time zone {shown(text)}", did_you_mean(text, known) or "such as Europe/Berlin")


def check_subnet(text: str) -> None:
    """Raises Unfit unless the text is an IPv4 network that pods or Services can live in."""
    try:
        subnet = ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise Unfit(f"{shown(text)} is not an IPv4 subnet: {error}") from error
    if str(subnet) != text:
        raise Unfit(f"{shown(text)} is an address inside a subnet", f"did you mean '{subnet}'?")
    for taken, use in TAKEN.items():
        if subnet.overlaps(taken):
            raise Unfit(f"{text} can't be used in a cluster: {taken} is {use}", "take a private one such as 10.244.0.0/16")


def check_address(text: str) -> None:
    """Raises Unfit unless the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise Unfit(f"{shown(text)} is no address") from error


def check_path(text: str) -> None:
    """Raises Unfit for a part longer than file systems take (NAME_MAX, 255 bytes)."""
    for part in text.split("/"):
        if len(part.encode()) > 255:
            raise Unfit(f"the part {shown(part)} has more than 255 bytes")


def check_public_key(line: str) -> None:
    """Raises Unfit unless the line is one that authorized_keys takes; the key itself must be whole."""
    found = KEY_LINE.match(line.strip())
    if found is None:
        raise Unfit("expected TYPE KEY COMMENT as in a .pub file", "such as 'ssh-ed25519 AAAA... me@home'")
    kind = found["type"]
    if kind not in KEY_TYPES:
        raise Unfit(f"{shown(kind)} is not a type of SSH key that sshd takes", one_of(kind, KEY_TYPES))
    try:
        blob = base64.b64decode(found["key"], validate=True)
    except binascii.Error as error:
        raise Unfit("the key is not valid base64", "copy the whole line of the .pub file") from error
    if key_type(blob) != kind:
        raise Unfit(f"the key is cut off or is no {kind} key", "copy the whole line of the .pub file")


def check_user(name: str) -> None:
    """Raises Unfit for the one user that each node has."""
    if name == "root":
        raise Unfit("root is there already", "ssh: {authorized_keys: [...]} has root's keys")


def key_type(blob: bytes) -> str:
    """The type that a key's first field names (RFC 4253, section 6.6); "" where a field is cut off."""
    fields = []
    while blob:
        (size,) = struct.unpack(">I", blob[:4].rjust(4, b"\xff"))
        if len(blob) < 4 + size:
            return ""
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields[0].decode("ascii", "replace") if len(fields) > 1 else ""


def check_certificates(text: str) -> None:
    """Raises Unfit unless the text has certificates in PEM, each whole."""
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise Unfit("that is no certificate in PEM", _whole("CERTIFICATE")) from error


def check_private_key(text: str) -> None:
    """Raises Unfit unless the text is a private key in PEM without a passphrase."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(text.encode(), None)
    except TypeError as error:
        raise Unfit("the key has a passphrase, which nobody gives at boot", "openssl pkey -in FILE writes it without") from error
    except ValueError as error:
        raise Unfit("that is no private key in PEM", _whole("PRIVATE KEY")) from error


def _whole(label: str) -> str:
    return f"give the text from -----BEGIN {label}----- to its END"
