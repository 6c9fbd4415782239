"""A time server as a recipe names it."""

import ipaddress
import re
from dataclasses import dataclass

from builder.reading.shapes import Unfit
from builder.reading.words import shown

NTP = 123  # RFC 5905, section 7.2
_TEXT = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class TimeServer:
    """host: a DNS name, or an address without brackets."""

    host: str
    port: int = NTP

    @classmethod
    def parse(cls, text: str) -> "TimeServer":
        """Of HOST, HOST:PORT, or an IPv6 address in brackets likewise. Raises Unfit."""
        found = _TEXT.fullmatch(text)
        if found is None:
            hint = f"did you mean '[{text}]'?" if _is_address(text) else ""
            raise Unfit(f"{shown(text)} is neither a name nor an address", hint)
        host, port = found["six"] or found["host"], int(found["port"] or NTP)
        if not (_is_address(host) if found["six"] else _is_address(host) or _NAME.fullmatch(host)):
            raise Unfit(f"{shown(host)} is neither a name nor an address")
        if not 0 < port < 65536:
            raise Unfit(f"{port} is no port", "ports go from 1 to 65535")
        return cls(host, port)

    @property
    def is_address(self) -> bool:
        return _is_address(self.host)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
