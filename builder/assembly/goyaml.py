"""YAML as gopkg.in/yaml.v2 v2.4 writes it, with which LinuxKit puts its own configuration into an image (`metadata: yaml`).

The emitters of PyYAML and of yaml.v2 come from the same design; what differs is when a string is quoted, how a long
double-quoted string is folded, and the order of a map's keys.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cmp_to_key
from typing import Any

import yaml

STRING_TAG = "tag:yaml.org,2002:str"
# Words that are booleans, nothing, or no finite number.
WORDS = (
    "y Y yes Yes YES true True TRUE on On ON n N no No NO false False FALSE off Off OFF ~ null Null NULL"
    " .nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF"
)
NUMBER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)", re.ASCII)
BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", re.ASCII)
TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"([Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?)?",
    re.ASCII,
)


def marshal(value: Mapping[str, Any]) -> bytes:
    """The document for a mapping of str, int, bool, None, lists and mappings, whose keys stay in their order."""
    text: str = yaml.dump(value, Dumper=GoDumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=80)
    return text.encode()


def reads_as_string(text: str) -> bool:
    """Whether yaml.v2 takes the unquoted text for a string."""
    if not text or text in WORDS.split() or BASE_60.fullmatch(text) or _is_time(text):
        return False
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    return not NUMBER.fullmatch(plain) or not _fits(plain)


def _fits(number: str) -> bool:
    """Whether Go has the number as an integer or a float of 64 bits."""
    if number.lstrip("+-")[:2].lower() in ("0x", "0b", "0o"):
        return -(2**63) <= int(number, 0) < 2**64
    return not math.isinf(float(number))


def _is_time(text: str) -> bool:
    found = TIME.fullmatch(text)
    try:
        return bool(found and date(*(int(part) for part in found.groups()[:3])))
    except ValueError:
        return False


def in_key_order(keys: Sequence[str]) -> list[str]:
    """A map's keys as yaml.v2 sorts them: signs before letters, numbers by their value."""
    return sorted(keys, key=cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return 1 if a.isalpha() else -1
        return _compare_numbers(left, right, at)
    return len(left) - len(right)


def _compare_numbers(left: str, right: str, at: int) -> int:
    before = re.search(r"[0-9]*$", left[:at])
    inside = "0" in (left[at], right[at]) and before is not None and before[0].strip("0") != ""
    a, b = (_digits(text, at) for text in (left, right))
    first, second = (int(("1" if inside else "0") + digits) for digits in (a, b))
    if (first, len(a)) != (second, len(b)):
        return -1 if (first, len(a)) < (second, len(b)) else 1
    return -1 if left[at] < right[at] else 1


def _digits(text: str, at: int) -> str:
    found = re.match(r"[0-9]*", text[at:])
    return found[0] if found else ""


class GoDumper(yaml.SafeDumper):
    """A dumper that chooses each scalar's style as yaml.v2 does."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # the style alone decides: no scalar ever needs a tag

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        if any(char > "\uffff" or char == "\x85" for char in scalar):  # yaml.v2 holds these for unprintable
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Folds at a single space once the line is full, and nowhere else."""
        self.write_indicator('"', True)
        folded = False
        for at, char in enumerate(text):
            if char == " " and split and not folded and self.column > self.best_width and 0 < at < len(text) - 1:
                self.write_indent()
                self._put("\\" if text[at + 1] == " " else "")
            else:
                self._put(self._escape(char))
            folded = char == " "
        self.write_indicator('"', False)

    def _put(self, text: str) -> None:
        self.column += len(text)
        self.stream.write(text)

    def _escape(self, char: str) -> str:
        if char != "\xa0" and char in self.ESCAPE_REPLACEMENTS:
            return "\\" + str(self.ESCAPE_REPLACEMENTS[char])
        if " " <= char <= "~" or "\xa0" <= char <= "\ud7ff" or ("\ue000" <= char <= "\ufffd" and char != "\ufeff"):
            return char
        code = ord(char)
        return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _represent_text(dumper: GoDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if reads_as_string(text) else '"'
    return dumper.represent_scalar(STRING_TAG, text, style=style)


def _represent_plain(dumper: GoDumper, value: int | None) -> yaml.ScalarNode:
    words = {"None": "null", "True": "true", "False": "false"}
    return dumper.represent_scalar(STRING_TAG, words.get(str(value), str(value)))


GoDumper.add_representer(str, _represent_text)
for _type in (int, bool, type(None)):
    GoDumper.add_representer(_type, _represent_plain)
