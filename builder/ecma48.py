"""What a terminal does not show of a text: the control sequences of ECMA-48."""

import re

# Control sequences, strings such as a terminal's title, and other escapes. A string without an end, as a broken line may begin
# one, hides nothing.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


def shown(text: str) -> str:
    """The text without its control sequences: colours, cursor, "where is the cursor" of line editors, titles."""
    return _ESCAPES.sub("", text)
