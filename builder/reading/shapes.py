"""The shapes of a recipe's texts: one pattern for the loader and the JSON schema, and a check for what no pattern can say."""

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from builder.reading.words import one_of, shown

# What OpenSSH's sshd takes today (sshd_config(5), PubkeyAcceptedAlgorithms; DSA is gone).
KEY_TYPES = (
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip

# A line of authorized_keys without its options: the type, base64 of the key, a comment (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
KEY_LINE = re.compile(r'^(?:(?:[^\s"]|"(?:\\.|[^"\\])*")+[ \t]+)??(?P<type>[a-z][\w@.-]*)[ \t]+(?P<key>AAAA\S*)(?:[ \t].*)?$')


class Unfit(ValueError):
    """A text of the wrong shape: what is wrong with it, and what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Shape:
    """For Annotated[str, Shape(...)]: `expected` names the shape in plain words; `check` raises Unfit for what is left.

    The pattern's dialect is the one that Python and JSON schema (ECMA 262) share.
    """

    pattern: str
    expected: str
    check: Callable[[str], object] | None = None
    longest: int | None = None

    def validate(self, text: str) -> str:
        if self.longest and len(text) > self.longest:
            raise Unfit(f"expected at most {self.longest} characters, got {len(text)}")
        if re.fullmatch(self.pattern, text) is None:
            raise Unfit(f"expected {self.expected}, got {shown(text)}")
        if self.check:
            self.check(text)
        return text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        longest = {"maxLength": self.longest} if self.longest else {}
        return {**handler(schema), "pattern": self.pattern, **longest}


def check_subnet(text: str) -> None:
    """Raises Unfit unless the text is an IPv4 network that pods or Services can live in."""
    try:
        subnet = ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise Unfit(f"{shown(text)} is not an IPv4 subnet: {error}") from error
    if str(subnet) != text:
        raise Unfit(f"{shown(text)} is an address inside a subnet", f"did you mean '{subnet}'?")
    if subnet.is_loopback or subnet.is_multicast or subnet.is_link_local or subnet.is_reserved or subnet.is_unspecified:
        raise Unfit(f"{text} can't be used in a cluster", "take a private one such as 10.244.0.0/16")


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
