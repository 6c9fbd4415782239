"""JSON as Go's encoding/json writes it, so that LinuxKit's files come out the same byte for byte."""

import json

# json.Marshal writes these as escapes, lest the text be read as HTML or break a JavaScript line.
ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def indented(value: object, indent: int = 4) -> bytes:
    """The value as json.MarshalIndent writes it with that many spaces; keys stay in their order, no newline at the end."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, separators=(",", ": "))
    return text.translate(ESCAPED).encode()  # outside of strings these characters do not occur
